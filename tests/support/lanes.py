"""Which tests a change needs. LOCKSTEP_SINCE names the commit that is known to pass; without it, all of them.

The tests of engine and site always run. Those of a post run where anything changed that they can rest on: its code,
text or tests, what its stages use of the engine, the theme, the versions of libraries, or what all tests share.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

POST = re.compile(r"tests/posts/test_([a-z0-9]+)")
SHARED = re.compile(  # by everything that a post's tests do
    r"code/lockstep/(?!site/|prose/|report/|templates/)|code/posts/__init__|theme/|tests/(?:support|conftest)"
    r"|pyproject\.toml|constraints\.txt|pelicanconf\.py|\.ci/"
)


def changed(root: Path, since: str) -> set[str] | None:
    """The files that differ from a commit, those that git does not know yet among them; None for an unknown commit."""
    told: set[str] = set()
    for command in (["diff", "--name-only", since], ["ls-files", "--others", "--exclude-standard"]):
        done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        told |= set(done.stdout.splitlines())
    return told


def wanted(test: str, files: Collection[str]) -> bool:
    """Can a test, by the path of its file, come out otherwise after a change of these files?"""
    post = POST.match(test)
    if post is None:
        return True
    own = re.compile(rf"code/posts/{post[1]}/|content/{post[1]}/|tests/posts/test_{post[1]}(?![a-z0-9])")
    return any(own.match(name) or SHARED.match(name) for name in files)
