"""A store under an address that fsspec knows (`s3://bucket/prefix`, `file:///shared/store`), for more than one machine.

What is written is read back before it counts as written; what fails is tried again, with longer and longer waits. A
folder in front keeps what was put or got, so that nothing is fetched twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lockstep.errors import FileError, LockstepError
from lockstep.record.address import masked, plain
from lockstep.record.files import digest_file, replace_whole
from lockstep.record.store import Store, part_of, place

T = TypeVar("T")
WAITS = (0.2, 0.8, 3.2, 6.4)  # seconds before a failed request is made again
BLOCK = 1 << 22


class RemoteStore(Store):
    """Files under their sha256, and records by name, under an address. Raises FileError where it cannot be reached."""

    def __init__(self, url: str, front: Path):
        super().__init__(front)
        self.url = plain(url, "the store").rstrip("/")
        self.front = Store(front)
        self._there = set[str]()  # digests that were seen there

    @cached_property
    def _system(self) -> tuple[Any, str]:
        """The file system, and the path of the store in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise _not_installed(self.url, "fsspec") from None
        options = {"auto_mkdir": True} if self.url.startswith(("file:", "local:")) else {}
        try:
            return url_to_fs(self.url, use_listings_cache=False, **options)
        except ImportError as error:
            raise _not_installed(self.url, error.name or str(error)) from None
        except Exception as error:
            raise LockstepError(f"the store {self.url} is no address that fsspec knows: {masked(str(error))}") from None

    def _at(self, name: str) -> str:
        return f"{self._system[1].rstrip('/')}/{name}"

    def put(self, path: Path) -> str:
        digest = self.front.put(path)
        if digest not in self._there and self._size(digest) != path.stat().st_size:
            self.send(path, place(digest))
        self._there.add(digest)
        return digest

    def get(self, digest: str) -> Path | None:
        if found := self.front.get(digest):
            return found
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(path)
        try:
            if self.bring(place(digest), part) and digest_file(part) == digest:
                replace_whole(part, path)
                return path
        finally:
            part.unlink(missing_ok=True)
        return None

    def has(self, digest: str) -> bool:
        if digest not in self._there and self._size(digest) is not None:
            self._there.add(digest)
        return digest in self._there

    def _size(self, digest: str) -> int | None:
        found = self._read(place(digest), lambda system, at: system.info(at))
        return found and found["size"]

    def send(self, path: Path, name: str) -> None:
        digest = digest_file(path)

        def send(system: Any, at: str) -> None:
            system.put_file(str(path), at)
            if _digest(system, at) != digest:
                raise OSError("what was written reads otherwise")

        self._write(name, send)

    def bring(self, name: str, path: Path) -> bool:
        return self._read(name, lambda system, at: system.get_file(at, str(path)) or True) is not None

    def write(self, name: str, content: bytes) -> None:
        def write(system: Any, at: str) -> None:
            system.pipe_file(at, content)
            if system.cat_file(at) != content:
                raise OSError("what was written reads otherwise")

        self._write(name, write)

    def read(self, name: str) -> bytes | None:
        return self._read(name, lambda system, at: system.cat_file(at))

    def remove(self, name: str) -> None:
        self._read(name, lambda system, at: system.rm(at, recursive=True))

    def _write(self, name: str, action: Callable[[Any, str], None]) -> None:
        try:
            self._tried(name, "written", action)
        except FileNotFoundError as error:  # the bucket, say
            raise self._failed(name, "written", error) from None

    def _read(self, name: str, action: Callable[[Any, str], T]) -> T | None:
        try:
            return self._tried(name, "read", action)
        except FileNotFoundError:
            return None

    def _tried(self, name: str, done: str, action: Callable[[Any, str], T]) -> T:
        system, at = self._system[0], self._at(name)
        for wait in (*WAITS, None):
            try:
                return action(system, at)
            except FileNotFoundError:
                raise
            except Exception as error:  # each file system has its own
                if wait is None or isinstance(error, PermissionError):
                    raise self._failed(name, done, error) from None
                time.sleep(wait)
        raise AssertionError

    def _failed(self, name: str, done: str, error: Exception) -> FileError:
        told = " ".join(masked(str(error) or type(error).__name__).split())
        return FileError(f"cannot be {done} ({told:.300}): mend that, and do it again", file=f"{self.url}/{name}")


def _digest(system: Any, at: str) -> str:
    digest = hashlib.sha256()
    with system.open(at, "rb", block_size=BLOCK, cache_type="readahead") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _not_installed(url: str, name: str) -> LockstepError:
    return LockstepError(
        f'the store {url} is reached by libraries that are not installed ({name}): pip install "lockstep-blog[cluster]"'
    )
