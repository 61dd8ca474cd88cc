"""A dataset: official home, licence, and the digest of its decoded arrays, which alone decides.

`load` looks in the local cache (`LOCKSTEP_CACHE`, else ~/.cache/lockstep), then in the mirror folders that
`LOCKSTEP_DATA` names (a path list), then downloads from the official home. A mirror may hold another lossless
container of the same arrays, so files are decoded first and compared after.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.canonical import digest_value
from lockstep.errors import DataError

Arrays = dict[str, np.ndarray[Any, Any]]
TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class File:
    """One file to download and what it decodes to: `digest` is that of the decoded arrays.

    `archive` names the zip at the home that holds it, where the home has no single files. A mirror holds the file as
    it is, or packed as `name.xz`.
    """

    name: str
    digest: str
    decode: Callable[[Path], Arrays]
    archive: str = ""


@dataclass(frozen=True)
class Dataset:
    """Files under an official home. `home` ends with a slash; file names are appended to it."""

    name: str
    home: str
    licence: str
    files: tuple[File, ...]
    mirrors: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What a run records: known without reading anything."""
        return digest_value({file.name: file.digest for file in self.files})

    def load(self) -> Arrays:
        """The decoded arrays, verified. Raises DataError where no source has them."""
        arrays: Arrays = {}
        for file in self.files:
            arrays |= self._verified(file)
        return arrays

    def _verified(self, file: File) -> Arrays:
        wrong: list[str] = []
        for path in self._at_hand(file):
            arrays = _decode(file, path)
            if arrays is not None and digest_arrays(arrays) == file.digest:
                return arrays
            if path.is_relative_to(cache()):
                aside = path.with_name(path.name + ".wrong")
                os.replace(path, aside)
                path = aside
            wrong.append(f"{path} does not decode to the declared arrays and was not used")
        try:
            path = self._download(file)
        except DataError as error:
            raise DataError("; ".join([*wrong, str(error)])) from None
        arrays = _decode(file, path)
        if arrays is None or digest_arrays(arrays) != file.digest:
            aside = path.with_name(path.name + ".wrong")
            os.replace(path, aside)
            raise DataError(
                f"{self.home}{file.name} is not the declared file (decoded digest "
                f"{'none' if arrays is None else digest_arrays(arrays)[:12]}, expected {file.digest[:12]}); "
                f"kept aside as {aside}, nothing was used"
            )
        return arrays

    def _at_hand(self, file: File) -> Iterator[Path]:
        folders = [cache(), *(Path(part) for part in os.environ.get("LOCKSTEP_DATA", "").split(os.pathsep) if part)]
        for folder in folders:
            for name in (file.name, f"{file.name}.xz"):
                if (path := folder / self.name / name).is_file():
                    yield path

    def _download(self, file: File) -> Path:
        path = cache() / self.name / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        failures = []
        for home in (self.home, *self.mirrors):
            try:
                packed = path.with_name(file.archive or file.name)
                fetch(home + packed.name, packed)
                if file.archive:
                    _extract(packed, path)
                return path
            except (OSError, urllib.error.URLError, zipfile.BadZipFile) as error:
                failures.append(f"{home}{file.archive or file.name}: {error}")
        raise DataError(
            f'the dataset "{self.name}" is not at hand ({"; ".join(failures)}). Put {file.name} in a folder '
            f"{self.name}/ under a path named in LOCKSTEP_DATA, or try again with a network"
        )


@dataclass(frozen=True)
class Made:
    """Data that code makes, or that an installed package ships. The digest is that of what it makes."""

    name: str
    make: Callable[[], Arrays]
    licence: str = ""
    declared: str = field(default="", kw_only=True)

    @property
    def digest(self) -> str:
        return self.declared or digest_arrays(self.make())

    def load(self) -> Arrays:
        """The arrays. Raises DataError where they are not the declared ones."""
        arrays = self.make()
        if self.declared and digest_arrays(arrays) != self.declared:
            raise DataError(
                f'the dataset "{self.name}" is declared with digest {self.declared[:12]}, '
                f"its code now makes {digest_arrays(arrays)[:12]}"
            )
        return arrays


def digest_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.newbyteorder('<').str} {array.shape}\0".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()


def cache() -> Path:
    return Path(os.environ.get("LOCKSTEP_CACHE") or Path.home() / ".cache" / "lockstep")


def fetch(url: str, path: Path) -> None:
    """Download with progress, going on where an earlier attempt stopped; the file appears only when it is whole."""
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:  # nothing is left to send: the part is the whole
            raise OSError(f"HTTP {error.code} {error.reason}") from None
        os.replace(part, path)
        return
    with response:
        if response.status != 206:
            have = 0
        total = have + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(1 << 16):
                have += file.write(chunk)
                _progress(path.name, have, total)
    if total and have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes; run again to go on")
    os.replace(part, path)


def _extract(archive: Path, path: Path) -> None:
    """The one member of a zip that is called as `path` is, in whatever folder, written there."""
    with zipfile.ZipFile(archive) as packed:
        members = [name for name in packed.namelist() if name.rpartition("/")[2] == path.name]
        if len(members) != 1:
            raise OSError(f"it holds {len(members)} files called {path.name}")
        path.write_bytes(packed.read(members[0]))


def _progress(name: str, have: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if have == total else "\r"
        print(f"{name}  {have / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)


def _decode(file: File, path: Path) -> Arrays | None:
    try:
        return file.decode(path)
    except (OSError, ValueError, EOFError, lzma.LZMAError):
        return None


def idx(array: str) -> Callable[[Path], Arrays]:
    """A decoder for the idx format (LeCun): magic 0 0 type rank, big-endian sizes, then bytes; gzipped or not."""

    def decode(path: Path) -> Arrays:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        if len(content) < 4 or content[:3] != b"\0\0\x08":
            raise ValueError("not an idx file of bytes")
        rank = content[3]
        shape = np.frombuffer(content, ">u4", count=rank, offset=4).astype(int)
        return {array: np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)}

    return decode


def text(array: str) -> Callable[[Path], Arrays]:
    """A decoder for a text, packed by gzip or xz or not: its bytes as they are."""

    def decode(path: Path) -> Arrays:
        raw = path.read_bytes()
        unpack = {b"\x1f\x8b": gzip.decompress, b"\xfd7": lzma.decompress}.get(raw[:2])
        return {array: np.frombuffer(unpack(raw) if unpack else raw, np.uint8)}

    return decode
