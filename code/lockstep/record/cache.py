"""What was verified and rendered before, under a key of everything that it came from.

The key of a post covers the bytes of its code, prose, results and figures, of the engine, and of what the prose of all
posts shares (theme partials, references, and those settings that prose has seen); that of its pages of code only the
code and the engine. No time stamps of theirs. A post that reads another's ledger or code is never cached.
What code of the post opened besides while this was worked out is kept with it and compared as well (opened.py), and who
asks adds what only he knows: the digests of data that code makes, the libraries that render.
Entries lie in .lockstep/cache, outside git; without them everything is worked out again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lockstep.errors import FileError
from lockstep.record import opened
from lockstep.record.files import write_whole
from lockstep.record.records import parsed

ENGINE = Path(__file__).parents[1]
OTHER_LEDGER = re.compile(rb"\]\(\s*(?:measured|reported|config|claim):[^)\s?]*/")
OTHER_CODE = re.compile(rb"\bposts\.(\w+)|\bfrom posts import|\bfrom \.\.")
BINDINGS = ENGINE / "site" / "bindings"  # the partials of bindings, of which a theme may have its own
PARTIALS = ("bindings", "parts")  # folders of the theme's templates
OF_A_POST = re.compile(r"(?:code/posts|content)/([^/]+)/")
OWN = (".lockstep/", ".git/", "output/")  # folders of the project that nothing is made from


class Cache:
    """The cache of one project."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / ".lockstep" / "cache"
        self._inside = f"{root}{os.sep}"
        self._keys: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {}
        self._shared: set[str] = set()
        self._known = 0
        self._digests: dict[str, str] = {}

    @cached_property
    def engine(self) -> bytes:
        """A digest of what makes everything."""
        return self._digest(sys.version.encode(), sorted(ENGINE.rglob("*.py")))

    @cached_property
    def shared(self) -> bytes:
        """A digest of what the prose of every post depends on. Whole pages are not kept, so their templates are not in
        it: only the partials that the reader of prose can see."""
        folders = [BINDINGS, *(self.root / "theme" / "templates" / name for name in PARTIALS)]
        paths = [path for folder in folders for path in sorted(folder.rglob("*.html"))]
        paths += [self.root / name for name in ("pelicanconf.py", "publishconf.py", "theme/vendor.toml")]
        paths += [self.root / "content" / "references.bib", self.root / "code" / "posts" / "__init__.py"]
        code = self.root / "code"
        beside = sorted(code.iterdir()) if code.is_dir() else []  # modules that every post may import
        for path in [path for path in beside if path.name not in ("posts", "lockstep", "__pycache__")]:
            paths += _files(str(path)) if path.is_dir() else [path]
        return self._digest(self.engine, paths)

    def _digest(self, start: bytes, paths: list[Path]) -> bytes:
        digest = hashlib.sha256(start)
        for path in paths:
            if path.is_file():
                with suppress(OSError):  # who needs it will say so
                    _add(digest, path, path.read_bytes())
        return digest.digest()

    def key(self, slug: str, settings: str = "") -> str:
        """The digest of everything that a post depends on, or "" where that is not all in its own folders.

        `settings` are the values of the site's settings that what is kept has seen.
        """
        if slug not in self._keys:
            self._keys[slug] = self._key(slug)
        return _with(self._keys[slug], settings)

    def code_key(self, slug: str, settings: str = "") -> str:
        """The digest of the files of a post's code, which is all of the project that their own pages depend on."""
        return _with(self._digest(self.engine, _files(str(self.root / "code" / "posts" / slug))).hex(), settings)

    def forget(self, slug: str) -> None:
        """Something of the post was written."""
        self._keys.pop(slug, None)

    def _key(self, slug: str) -> str:
        digest = hashlib.sha256(self.shared)
        for folder in (self.root / "code" / "posts" / slug, self.root / "content" / slug):
            for path in _files(str(folder)):
                try:
                    content = path.read_bytes()
                except OSError:
                    return ""  # the check says what is wrong with it
                if path.suffix == ".md" and OTHER_LEDGER.search(content):
                    return ""
                if path.suffix == ".py" and any(name != slug.encode() for name in OTHER_CODE.findall(content)):
                    return ""
                _add(digest, path, content)
        return digest.hexdigest()

    @contextmanager
    def watching(self, slug: str) -> Iterator[None]:
        """What is opened inside is what something of this post is worked out from; without a slug, of every post."""
        with opened.watching() as found:
            yield
        self._seen.setdefault(slug, set()).update(found)

    def _besides(self, slug: str) -> dict[str, str]:
        """The files that a post was seen to rest on beside what its key covers, with their digests.

        A module is opened once and serves every post: what lies in no post's folder counts for all.
        """
        own = opened.sources(self._seen.get(slug, set()))
        found = {path for path in own | self._shared_by_all() if not self._is_covered(path, slug)}
        return {os.path.relpath(path, self.root): self._digest_of(path) for path in sorted(found)}

    def _shared_by_all(self) -> set[str]:
        """What was ever opened and is no post's own: files of the project, and modules from elsewhere."""
        new = opened.ever(self._known)
        self._known += len(new)
        new = {path for path in opened.sources(new) if not self._owner(path) and not self._is_covered(path)}
        loaded = opened.modules() if any(not path.startswith(self._inside) for path in new) else set[str]()
        self._shared |= {path for path in new if path.startswith(self._inside) or path in loaded}
        return self._shared

    def _owner(self, path: str) -> str:
        """The post in whose folders a file lies."""
        match = OF_A_POST.match(path.removeprefix(self._inside))
        return match[1] if match else ""

    def _is_covered(self, path: str, slug: str | None = None) -> bool:
        """Is it in the key of this post, or nothing that anything is made from?"""
        inside = path.startswith(self._inside)
        if path.startswith(f"{ENGINE}{os.sep}") or (not inside and path.startswith(opened.LIBRARIES)):
            return True
        place = path.removeprefix(self._inside)
        hidden = f"{os.sep}." in place or f"{os.sep}__pycache__{os.sep}" in place
        return (inside and place.startswith(OWN)) or (self._owner(path) == slug and not hidden)

    def _digest_of(self, path: str) -> str:
        if path not in self._digests:
            self._digests[path] = opened.digest(path)
        return self._digests[path]

    def get(self, kind: str, slug: str, key: str) -> Any:
        """What was kept under this key, or None."""
        try:
            entry = parsed((self.folder / f"{slug}.{kind}.json").read_bytes())
            if not key or entry["key"] != key:
                return None
            same = all(self._digest_of(os.path.join(self.root, path)) == was for path, was in entry["seen"].items())
            return entry["value"] if same else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(self, kind: str, slug: str, key: str, value: Any, settings: str = "") -> None:
        """Keep a value, unless the post has changed since its key was taken, or nothing can be written here."""
        if not key or key not in (_with(self._key(slug), settings), _with(self.code_key(slug), settings)):
            return
        entry = json.dumps({"key": key, "seen": self._besides(slug), "value": value}).encode()
        with suppress(FileError):
            write_whole(self.folder / f"{slug}.{kind}.json", entry, lasting=False)  # a torn entry is no entry


def _with(key: str, settings: str) -> str:
    return hashlib.sha256(f"{key}\0{settings}".encode()).hexdigest() if key and settings else key


def _files(folder: str, above: tuple[str, ...] = ()) -> list[Path]:
    """Every file below, in a fixed order, but for what tools leave behind. A link back to a folder above ends there."""
    found: list[Path] = []
    place = os.path.realpath(folder)
    if place in above or not os.path.isdir(folder):
        return found
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name == "__pycache__" or entry.name.startswith("."):
                continue
            if entry.is_dir():
                found += _files(entry.path, (*above, place))
            else:
                found.append(Path(entry.path))
    return found


def _add(digest: Any, path: Path, content: bytes) -> None:
    digest.update(f"{path}\0{len(content)}\0".encode())
    digest.update(content)
