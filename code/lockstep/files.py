"""Files that are whole or absent, whatever happens in between, and their digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lockstep.errors import LockstepError


def replace_whole(part: Path, path: Path) -> None:
    """Put a written file in the place of another, on disk before it is seen."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def write_whole(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file so that a reader, or a kill, finds either the old one or the new one.

    So does a loss of power, unless it need not be `lasting`, which saves the wait for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    if lasting:
        replace_whole(part, path)
    else:
        os.replace(part, path)


def read_text(path: Path, name: str) -> str:
    """The text of a UTF-8 file. Raises LockstepError with line and `name`, which is what messages call the file."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        raise LockstepError(f"{name}:{line}: the byte {byte} is no UTF-8: save the file in that encoding") from None


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
