"""The real site, built once for all processes of a test run, its server, and what npm installs."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from webpages import served

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from lockstep import cli; sys.exit(cli.guarded(lambda: cli.build(True, settings=sys.argv[1])))"


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Builds the site with given settings, frozen; processes that run tests side by side share the folder.

    They would otherwise build at the same time into the same caches of the work tree.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def once(settings: str) -> Path:
        output, done = shared / f"site-{settings}", shared / f"site-{settings}.done"
        with open(shared / "site.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                command = [sys.executable, "-c", BUILD, settings]
                variables = os.environ | {"LOCKSTEP_OUTPUT": str(output), "SITEURL": "https://example.org"}
                made = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
                assert made.returncode == 0, made.stderr + made.stdout
                done.touch()
        return output

    return once


@pytest.fixture(scope="session")
def output(build) -> Path:
    """The site as `build` writes it, with relative links."""
    return build("pelicanconf.py")


@pytest.fixture(scope="session")
def published(build) -> Path:
    """The site as `publish` writes it, for https://example.org."""
    return build("publishconf.py")


@pytest.fixture(scope="session")
def url(output):
    with served(output) as address:
        yield address


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of what npm installs for these tests, with the versions that the lock beside this file gives."""
    folder = Path(__file__).parent / "node_modules"
    assert folder.is_dir(), "these tests need what tests/site/package-lock.json names: npm ci --prefix tests/site"
    return folder
