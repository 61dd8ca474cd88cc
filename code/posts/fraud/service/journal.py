"""The journal: an append-only file in which every acknowledged event is, once, in order.

    file    magic, then records
    record  CRC-32 of the rest · length of the payload · sequence number · payload

A batch is written by one call and made durable by one fdatasync (group commit). Opening cuts off what a crash left
half-written: the first record whose length, checksum or sequence is wrong, and everything after it. Only what was never
acknowledged can be there, unless the disk itself forgot; a wrong record with good ones after it is therefore an error.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lockstep.errors import LockstepError

MAGIC = b"journal1"
HEADER = struct.Struct("<IIQ")
LONGEST = 1 << 20  # bytes of a payload; a longer length is a broken one
SEARCHED = 4 * LONGEST  # bytes behind damage in which a good record would begin


class JournalFailed(LockstepError):
    """The store did not take a batch: nothing of it counts as durable."""


class Journal(Protocol):
    """What the service asks of a store. Sequence numbers begin at 1."""

    sequence: int  # of the last durable record

    def commit(self, records: Sequence[bytes]) -> None:
        """Make all of them durable, in order, or raise JournalFailed. A batch that failed may be tried again."""
        ...

    def read(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Durable records with larger sequence numbers."""
        ...

    def close(self) -> None: ...


class FileJournal:
    """A journal in one local file."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(MAGIC)
        self.sequence, self._end, self.cut = _recover(path)
        self._file = os.open(path, os.O_RDWR)
        os.ftruncate(self._file, self._end)
        os.fsync(self._file)

    def commit(self, records: Sequence[bytes]) -> None:
        batch = b"".join(frame(self.sequence + n, record) for n, record in enumerate(records, start=1))
        try:
            written = 0
            while written < len(batch):  # over whatever a failed attempt left behind
                written += os.pwrite(self._file, batch[written:], self._end + written)
            os.fdatasync(self._file)
        except OSError as error:
            raise JournalFailed(f"{self.path}: {error.strerror}") from None
        self._end += len(batch)
        self.sequence += len(records)

    def read(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            file.seek(len(MAGIC))
            while (record := _next(file)) is not None:
                if record[0] > self.sequence:
                    return
                if record[0] > after:
                    yield record

    def close(self) -> None:
        os.close(self._file)


def frame(sequence: int, payload: bytes) -> bytes:
    """A record as it lies in the file."""
    rest = HEADER.pack(0, len(payload), sequence)[4:] + payload
    return zlib.crc32(rest).to_bytes(4, "little") + rest


def _next(file) -> tuple[int, bytes] | None:
    """The next record, or None at the end or where it is not whole."""
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    checksum, length, sequence = HEADER.unpack(head)
    if length > LONGEST or len(payload := file.read(length)) < length:
        return None
    return (sequence, payload) if zlib.crc32(head[4:] + payload) == checksum else None


def _recover(path: Path) -> tuple[int, int, int]:
    """Last good sequence, where its record ends, and how many bytes lie after it.

    Raises LockstepError for a file that is no journal, and for damage that no torn write explains.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise LockstepError(f"{path} is no journal of this service: move it away, or name another directory")
        sequence, end = 0, len(MAGIC)
        while (record := _next(file)) is not None and record[0] == sequence + 1:
            sequence, end = record[0], file.tell()
        if _good_records_after(file, end, sequence):
            raise LockstepError(
                f"{path} is damaged after record {sequence} and has good records behind the damage: restore it from a "
                "copy; cutting it here would lose acknowledged transactions"
            )
    return sequence, end, size - end


def _good_records_after(file, end: int, sequence: int) -> bool:
    """Is there a whole record with a later sequence number behind?"""
    file.seek(end)
    tail = file.read(SEARCHED)
    for start in range(1, len(tail) - HEADER.size + 1):
        checksum, length, number = HEADER.unpack_from(tail, start)
        stop = start + HEADER.size + length
        later = sequence < number <= sequence + len(tail)
        if later and stop <= len(tail) and zlib.crc32(tail[start + 4 : stop]) == checksum:
            return True
    return False
