"""Artefacts by the digest of their content, in a local folder outside git (`LOCKSTEP_STORE`, else .lockstep/store)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lockstep.record.files import digest_file, replace_whole


class Store:
    """Files under their sha256: the same bytes are kept once, and a file never changes once it is there."""

    def __init__(self, folder: Path, fallback: Store | None = None):
        """What is not in the folder is looked up in the fallback, which is never written to."""
        self.folder = folder
        self.fallback = fallback

    @classmethod
    def of(cls, root: Path) -> Store:
        return cls(Path(os.environ.get("LOCKSTEP_STORE") or root / ".lockstep" / "store"))

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest[2:]

    def put(self, path: Path) -> str:
        """Keep a copy of a file; returns its digest."""
        digest = digest_file(path)
        kept = self.path(digest)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_name(f"{kept.name}.{os.getpid()}.part")
            shutil.copyfile(path, part)
            replace_whole(part, kept)
        return digest

    def get(self, digest: str) -> Path | None:
        """The file, or None where it is not at hand (or no longer what its name says)."""
        path = self.path(digest)
        if path.exists() and digest_file(path) == digest:
            return path
        return self.fallback.get(digest) if self.fallback else None
