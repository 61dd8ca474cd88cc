"""One small project, built once, with a fresh copy of it for each test that edits, and a browser for each module."""

import shutil
from pathlib import Path

import pytest
from mini import create, lockstep
from webpages import chromium


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    root = create(tmp_path_factory.mktemp("mini"))
    done = lockstep(root, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "mini"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as launched:
        yield launched
