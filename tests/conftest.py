"""One small project, built once, and a fresh copy of it for each test that edits."""

import shutil
from pathlib import Path

import pytest
from mini import create, lockstep


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    root = create(tmp_path_factory.mktemp("mini"))
    done = lockstep(root, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "mini"))
