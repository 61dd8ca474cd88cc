"""What was verified and rendered before, under a key of everything that it came from.

The key of a post covers the bytes of its code, prose, results and figures, of the engine, and of what the prose of all
posts shares (theme partials, references, and those settings that prose has seen); that of its pages of code only the
code and the engine. No time stamps. A post that reads another's ledger or code is never cached.
Entries lie in .lockstep/cache, outside git; without them everything is worked out again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lockstep.files import write_whole

OTHER_LEDGER = re.compile(rb"\]\(\s*(?:measured|reported|config|claim):[^)\s?]*/")
OTHER_CODE = re.compile(rb"\bposts\.(\w+)|\bfrom posts import|\bfrom \.\.")
PARTIALS = ("bindings", "parts")  # folders of the theme's templates


class Cache:
    """The cache of one project."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / ".lockstep" / "cache"
        self._keys: dict[str, str] = {}

    @cached_property
    def engine(self) -> bytes:
        """A digest of what makes everything."""
        return self._digest(sys.version.encode(), sorted(Path(__file__).parent.rglob("*.py")))

    @cached_property
    def shared(self) -> bytes:
        """A digest of what the prose of every post depends on. Whole pages are not kept, so their templates are not in
        it: only the partials that the reader of prose can see."""
        folders = [self.root / "theme" / "templates" / name for name in PARTIALS]
        paths = [path for folder in folders for path in sorted(folder.rglob("*.html"))]
        paths += [self.root / name for name in ("pelicanconf.py", "publishconf.py", "theme/vendor.toml")]
        paths += [self.root / "content" / "references.bib", self.root / "code" / "posts" / "__init__.py"]
        return self._digest(self.engine, paths)

    def _digest(self, start: bytes, paths: list[Path]) -> bytes:
        digest = hashlib.sha256(start)
        for path in paths:
            if path.is_file():
                _add(digest, path, path.read_bytes())
        return digest.digest()

    def key(self, slug: str, settings: str = "") -> str:
        """The digest of everything that a post depends on, or "" where that is not all in its own folders.

        `settings` are the values of the site's settings that what is kept has seen.
        """
        if slug not in self._keys:
            self._keys[slug] = self._key(slug)
        return _with(self._keys[slug], settings)

    def code_key(self, slug: str) -> str:
        """The digest of the files of a post's code, which is all that their own pages depend on."""
        return self._digest(self.engine, _files(str(self.root / "code" / "posts" / slug))).hex()

    def forget(self, slug: str) -> None:
        """Something of the post was written."""
        self._keys.pop(slug, None)

    def _key(self, slug: str) -> str:
        digest = hashlib.sha256(self.shared)
        for folder in (self.root / "code" / "posts" / slug, self.root / "content" / slug):
            for path in _files(str(folder)):
                content = path.read_bytes()
                if path.suffix == ".md" and OTHER_LEDGER.search(content):
                    return ""
                if path.suffix == ".py" and any(name != slug.encode() for name in OTHER_CODE.findall(content)):
                    return ""
                _add(digest, path, content)
        return digest.hexdigest()

    def get(self, kind: str, slug: str, key: str) -> Any:
        """What was kept under this key, or None."""
        try:
            entry = json.loads((self.folder / f"{slug}.{kind}.json").read_bytes())
            return entry["value"] if key and entry["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, kind: str, slug: str, key: str, value: Any, settings: str = "") -> None:
        """Keep a value, unless the post has changed since its key was taken, or nothing can be written here."""
        if not key or key not in (_with(self._key(slug), settings), self.code_key(slug)):
            return
        entry = json.dumps({"key": key, "value": value}).encode()
        with suppress(OSError):
            write_whole(self.folder / f"{slug}.{kind}.json", entry, lasting=False)  # a torn entry is no entry


def _with(key: str, settings: str) -> str:
    return hashlib.sha256(f"{key}\0{settings}".encode()).hexdigest() if key and settings else key


def _files(folder: str) -> list[Path]:
    """Every file below, in a fixed order, but for what tools leave behind."""
    found: list[Path] = []
    if not os.path.isdir(folder):
        return found
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name == "__pycache__" or entry.name.startswith("."):
                continue
            if entry.is_dir():
                found += _files(entry.path)
            else:
                found.append(Path(entry.path))
    return found


def _add(digest: Any, path: Path, content: bytes) -> None:
    digest.update(f"{path}\0{len(content)}\0".encode())
    digest.update(content)
