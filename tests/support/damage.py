"""Kinds of damage to a file, and the command line in this process: whatever is damaged, it ends with a message."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.cli import main
from lockstep.record.ledger import Line

OTHER = ([], {}, None, True, -1, 2.5, "x", [[1]], {"a": {"b": []}}, "\ud800", 10**400, [None] * 3)
Damage = Callable[[bytes, random.Random], bytes]


def truncated(content: bytes, choose: random.Random) -> bytes:
    return content[: choose.randrange(len(content) + 1)]


def flipped(content: bytes, choose: random.Random) -> bytes:
    """One to eight bits that are others."""
    damaged = bytearray(content or b"\0")
    for _ in range(choose.randint(1, 8)):
        damaged[choose.randrange(len(damaged))] ^= 1 << choose.randrange(8)
    return bytes(damaged)


def shuffled(content: bytes, choose: random.Random) -> bytes:
    lines = content.split(b"\n")
    choose.shuffle(lines)
    return b"\n".join(lines)


def doubled(content: bytes, choose: random.Random) -> bytes:
    return content + content


def encoded(content: bytes, choose: random.Random) -> bytes:
    """Another encoding, or text that was joined to it in one."""
    text = content.decode("utf-8", "replace")
    return choose.choice(
        [text.encode("utf-16"), text.encode("utf-8-sig"), content + "Café\n".encode("latin-1"), b"\0" * 9]
    )


def enlarged(content: bytes, choose: random.Random) -> bytes:
    """A number grown beyond what Python converts, or a float holds, or a list nested deeper than it follows."""
    numbers = [*re.finditer(rb"\d+", content)]
    huge = choose.choice([b"9" * 5000, b"9" * 400, b"1e999", b"-1e-999", b"NaN", b"[" * 100_000, b'{"a":' * 50_000])
    if not numbers:
        return content + huge
    found = choose.choice(numbers)
    return content[: found.start()] + huge + content[found.end() :]


def retyped(content: bytes, choose: random.Random) -> bytes:
    """Values of other types somewhere in a JSON line, of a ledger with a checksum that fits or not; else a new line."""
    lines = content.split(b"\n")
    number = choose.randrange(len(lines))
    try:
        raw = json.loads(lines[number] if lines[number].strip() else content)
    except ValueError:
        return content + choose.choice(
            [b"\n= 3\n", b"\n[reported]\n", b"\n[[margin]]\nvalue = []\n", b"\n]](measured:\n"]
        )
    at = raw
    while isinstance(at, (dict, list)) and at:
        place = choose.choice([*at] if isinstance(at, dict) else range(len(at)))
        if isinstance(at[place], (dict, list)) and at[place] and choose.random() < 0.5:
            at = at[place]
            continue
        at[place] = choose.choice(OTHER)
        break
    if "sum" in raw and choose.random() < 0.5:
        with contextlib.suppress(TypeError, ValueError):
            raw["sum"] = Line(**raw).summed().sum
    text = json.dumps(raw, ensure_ascii=choose.random() < 0.5).encode("utf-8", "surrogatepass")
    return b"\n".join([*lines[:number], text, *lines[number + 1 :]]) if lines[number].strip() else text


CONTENT: dict[str, Damage] = {
    f.__name__: f for f in (truncated, flipped, shuffled, doubled, encoded, enlarged, retyped)
}


def deleted(path: Path) -> None:
    """There is nothing in the place of the file."""


def folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def endless_link(path: Path) -> None:
    path.symlink_to(path.name)


PLACE: dict[str, Callable[[Path], None]] = {f.__name__: f for f in (deleted, folder, broken_link, endless_link)}


@contextlib.contextmanager
def damaged(path: Path, kind: str, seed: int) -> Iterator[None]:
    """The file damaged inside, and as it was outside."""
    content = path.read_bytes()
    path.unlink()
    try:
        if kind in PLACE:
            PLACE[kind](path)
        else:
            path.write_bytes(CONTENT[kind](content, random.Random(seed)))
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.write_bytes(content)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def command(root: Path, *arguments: str) -> Ended:
    """The command line in this process. Whatever it raises, a test sees."""
    out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
    frozen = os.environ.pop("CI", None)  # where it is set, a build runs and writes nothing
    os.chdir(root)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: Any = main(arguments)
    finally:
        os.chdir(before)
        if frozen is not None:
            os.environ["CI"] = frozen
    return Ended(code, out.getvalue(), err.getvalue())
