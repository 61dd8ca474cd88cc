"""Files that are whole or absent, whatever happens in between, their texts, and their digests."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from lockstep.errors import FileError, PlacedError

DEEP = "something is nested deeper than Python can follow, such as a very long expression: write it in smaller parts"
TEXTS = (".csv", ".svg", ".json", ".md", ".txt", ".js")  # outputs whose line ends a checkout may change


def replace_whole(part: Path, path: Path) -> None:
    """Put a written file in the place of another, on disk before it is seen."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def write_whole(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file so that a reader, or a kill, finds either the old one or the new one.

    So does a loss of power, unless it need not be `lasting`, which saves the wait for the disk. Raises FileError where
    it cannot be written; then the old one stands.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        if lasting:
            replace_whole(part, path)
        else:
            os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise FileError(f"{_not_written(error)}; the file is as it was", file=path) from None


def _not_written(error: OSError) -> str:
    way = WAYS.get(error.errno or 0, "mend that, and do it again")
    return f"cannot be written ({error.strerror or error}): {way}"


def told(error: OSError) -> str:
    """What the system refused, with the file where it says which, and what to do."""
    named = error.filename or error.filename2
    place = f"{os.fsdecode(named)}:1: " if isinstance(named, (str, bytes)) else ""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{place}{reason}: {WAYS.get(error.errno or 0, 'mend that, and do it again')}"


WAYS = {
    errno.ENOSPC: "make room there, and do it again",
    errno.EDQUOT: "make room there, and do it again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), and do it again",
    errno.EROFS: "work in a copy that can be written",
    errno.EACCES: "give yourself the right to it, or work in a copy",
    errno.EPERM: "give yourself the right to it, or work in a copy",
    errno.EISDIR: "a folder is where a file belongs: move it away",
    errno.ENOTDIR: "a file is where a folder belongs: move it away",
    errno.EEXIST: "a file is where a folder belongs: move it away",
    errno.ENOENT: "restore it from git",
    errno.ELOOP: "a link leads back to itself: remove it, or restore the file from git",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n), and do it again",
}


def read_whole(path: Path, name: str) -> bytes:
    """The bytes of a file. Raises FileError with `name`, which is what messages call the file, where it has none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(not_read(path, error), file=name) from None


def not_read(path: Path, error: OSError) -> str:
    """Why a file that should be there cannot be read, and what to do."""
    if path.is_symlink() and (isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP):
        return f"a link to {os.readlink(path)}, where no file is: mend the link, or restore the file from git"
    if isinstance(error, IsADirectoryError):
        return "a folder is where a file is expected: move it away, or restore the file from git"
    if isinstance(error, FileNotFoundError):
        return "there is no such file: restore it from git"
    if isinstance(error, PermissionError):
        return "may not be read: give yourself the right to (chmod u+r)"
    return f"cannot be read ({error.strerror or error}): mend that, or restore the file from git"


def read_text(path: Path, name: str) -> str:
    """The text of a UTF-8 file. Raises LockstepError with line and `name`, which is what messages call the file."""
    content = read_whole(path, name)
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        raise PlacedError(
            f"the byte {byte} is no UTF-8: save the file in that encoding", file=name, line=line
        ) from None


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """What a TOML file says. Raises LockstepError with line and `name`."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise PlacedError("not valid TOML: it is nested too deeply: write it flat", file=name) from None
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python converts
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else _longest(text) if "digits" in str(error) else len(text.splitlines()) or 1
        raise PlacedError(f"not valid TOML: {error}", file=name, line=line) from None


def _longest(text: str) -> int:
    """The line with the longest number."""
    lines = [max(map(len, re.findall(r"\d+", line)), default=0) for line in text.split("\n")]
    return lines.index(max(lines)) + 1


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_made(path: Path, digest: str) -> bool:
    """Is this the output that a run recorded with this digest? A text may have got the line ends of another system."""
    if not path.is_file():
        return False
    if digest_file(path) == digest:
        return True
    if path.suffix not in TEXTS:
        return False
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest() == digest
