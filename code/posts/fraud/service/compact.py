"""Snapshots, made beside the service and not by it: a process of its own replays the journal and writes the state.

So the process that answers never stops to write. A start takes the newest snapshot and replays what came after it.

    snapshot  CRC-32 of the rest · sequence number · state
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from lockstep.errors import LockstepError

from posts.fraud.service.engine import SNAPSHOT, Engine
from posts.fraud.service.journal import Journal

HEADER = struct.Struct("<IQ")


def opened(directory: Path, journal: Journal, delay: int) -> Engine:
    """The engine of a directory: its snapshot, if it has one, and the journal after that.

    Raises LockstepError for a snapshot that is damaged or ahead of its journal.
    """
    engine, path = Engine(directory, delay), directory / SNAPSHOT
    if path.exists():
        raw = path.read_bytes()
        checksum, sequence = HEADER.unpack_from(raw)
        if zlib.crc32(raw[4:]) != checksum:
            raise LockstepError(f"{path} is damaged: delete it, and the whole journal is replayed instead")
        if sequence > journal.sequence:
            raise LockstepError(f"{path} is of record {sequence}, its journal ends at {journal.sequence}")
        engine.restore(raw[HEADER.size :], sequence)
    engine.replay(journal)
    return engine


def write(engine: Engine, directory: Path) -> int:
    """Put a snapshot in the place of the last one, whole or not at all; returns its bytes."""
    rest = HEADER.pack(0, engine.sequence)[4:] + engine.state()
    part = directory / f"{SNAPSHOT}.part"
    with part.open("wb") as file:
        file.write(zlib.crc32(rest).to_bytes(4, "little") + rest)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, directory / SNAPSHOT)
    return len(rest) + 4
