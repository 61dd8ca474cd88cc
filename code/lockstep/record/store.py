"""Artefacts by the digest of their content, outside git: in a local folder, or under an address (`LOCKSTEP_STORE`).

Beside them lie, by name, what legs and unfinished runs leave for whoever goes on with them.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from lockstep.record.files import digest_file, replace_whole, write_whole


class Store:
    """Files under their sha256: the same bytes are kept once, and a file never changes once it is there."""

    url = ""  # where other machines find it

    def __init__(self, folder: Path, fallback: Store | None = None):
        """What is not in the folder is looked up in the fallback, which is never written to."""
        self.folder = folder
        self.fallback = fallback

    @classmethod
    def of(cls, root: Path) -> Store:
        """That of a project. Raises LockstepError for an address that holds a secret."""
        named, own = os.environ.get("LOCKSTEP_STORE", ""), root / ".lockstep" / "store"
        if "://" in named:
            from lockstep.record.remote import RemoteStore  # needs fsspec, as soon as it is used

            return RemoteStore(named, own)
        return cls(Path(named) if named else own)

    def path(self, digest: str) -> Path:
        return self.folder / place(digest)

    def put(self, path: Path) -> str:
        """Keep a copy of a file; returns its digest."""
        digest = digest_file(path)
        if not self.path(digest).exists():
            self.send(path, place(digest))
        return digest

    def get(self, digest: str) -> Path | None:
        """The file, or None where it is not at hand (or no longer what its name says)."""
        path = self.path(digest)
        if path.exists() and digest_file(path) == digest:
            return path
        return self.fallback.get(digest) if self.fallback else None

    def has(self, digest: str) -> bool:
        """Is it at hand?"""
        return self.get(digest) is not None

    def send(self, path: Path, name: str) -> None:
        """Keep a copy of a file under a name, whole or not at all."""
        kept = self.folder / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(kept)
        shutil.copyfile(path, part)
        replace_whole(part, kept)

    def bring(self, name: str, path: Path) -> bool:
        """Copy what lies under a name to a path; False where nothing does."""
        try:
            shutil.copyfile(self.folder / name, path)
        except FileNotFoundError:
            return False
        return True

    def write(self, name: str, content: bytes) -> None:
        """Keep a small record under a name."""
        write_whole(self.folder / name, content)

    def read(self, name: str) -> bytes | None:
        """The record under a name, or None."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Forget a name, or all below it."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        if (self.folder / name).is_file():
            (self.folder / name).unlink(missing_ok=True)


def place(digest: str) -> str:
    """The name of an artefact in a store."""
    return f"{digest[:2]}/{digest[2:]}"


def part_of(path: Path) -> Path:
    """Where a file is written before it is there."""
    return path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
