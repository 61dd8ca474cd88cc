"""One small project, built once, with a fresh copy of it for each test that edits, and a browser for each module."""

import shutil
import sys
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


def own() -> dict[str, object]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "posts"}


@pytest.fixture(autouse=True)
def own_posts():
    """Posts of a project that a test loads into its own process go with it; those of the repository come back.

    Theirs is a package without a file. Beside the real one, which came before, it is what `inspect` cannot search.
    """
    before, finders = own(), sys.meta_path[:]
    yield
    if "posts" in sys.modules and not sys.modules["posts"].__file__:
        for name in own():
            del sys.modules[name]
        sys.modules.update(before)  # pyright: ignore
        sys.meta_path[:] = finders
