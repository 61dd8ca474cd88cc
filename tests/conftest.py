"""One small project, built once, with a fresh copy of it for each test that edits, and a browser for each module."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from lanes import changed, wanted
from mini import create, lockstep
from webpages import chromium


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of posts that nothing touched since LOCKSTEP_SINCE, no test runs."""
    since, root = os.environ.get("LOCKSTEP_SINCE"), Path(config.rootpath)
    if since and (files := changed(root, since)) is not None:
        left = [item for item in items if not wanted(item.path.relative_to(root).as_posix(), files)]
        items[:] = [item for item in items if item not in set(left)]
        config.hook.pytest_deselected(items=left)


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


REAL: dict[str, object] = {}  # posts of the repository that were loaded


def back() -> bool:
    """Put the posts of the repository in the place of a project's; were there any of a project?"""
    foreign = "posts" in sys.modules and not getattr(sys.modules["posts"], "__file__", None)
    if not foreign:
        REAL.update(own())
        return False
    for name in own():
        del sys.modules[name]
    sys.modules.update(REAL)  # pyright: ignore
    return True


@pytest.fixture(autouse=True)
def own_posts():
    """Posts of a project that a test loads into its own process go with it; those of the repository come back.

    Theirs is a package without a file. Beside the real one, which came before, it is what `inspect` cannot search.
    """
    back()  # a fixture of a whole module may have loaded others before
    finders = sys.meta_path[:]
    yield
    if back():
        sys.meta_path[:] = finders
