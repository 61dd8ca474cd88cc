"""A dataset: official home, licence, and the digest of its decoded arrays, which alone decides.

`load` looks in the local cache (`LOCKSTEP_CACHE`, else ~/.cache/lockstep), then in the mirror folders that
`LOCKSTEP_DATA` names (a path list), then downloads from the official home. A mirror may hold another lossless
container of the same arrays, so files are decoded first and compared after.

What `load` gives is canonical: arrays in the order of their names, each plain, little-endian and in C order. So the
digest, which tells neither the order of names nor layouts apart, leaves nothing out that a stage could see.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.depend.canonical import digest_value
from lockstep.errors import DataError

Arrays = dict[str, np.ndarray[Any, Any]]
TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class File:
    """One file to download and what it decodes to: `digest` is that of the decoded arrays."""

    name: str
    digest: str
    decode: Callable[[Path], Arrays]


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
        return dict(sorted(arrays.items()))

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
            if (path := folder / self.name / file.name).is_file():
                yield path

    def _download(self, file: File) -> Path:
        path = cache() / self.name / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        failures = []
        for home in (self.home, *self.mirrors):
            try:
                fetch(home + file.name, path)
                return path
            except (OSError, urllib.error.URLError) as error:
                failures.append(f"{home}{file.name}: {error}")
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
        return self.declared or digest_arrays(canonical(self.make()))

    def load(self) -> Arrays:
        """The arrays. Raises DataError where they are not the declared ones."""
        arrays = canonical(self.make())
        if self.declared and digest_arrays(arrays) != self.declared:
            raise DataError(
                f'the dataset "{self.name}" is declared with digest {self.declared[:12]}, '
                f"its code now makes {digest_arrays(arrays)[:12]}"
            )
        return arrays


def is_fixed(dataset: Any) -> bool:
    """Is the digest of a dataset in its declaration, so that no code decides it?"""
    return isinstance(dataset, Dataset) or bool(isinstance(dataset, Made) and dataset.declared)


def canonical(arrays: Mapping[str, Any]) -> Arrays:
    """The same arrays in the one form that stages are handed. Raises DataError for what has none."""
    if not isinstance(arrays, Mapping) or not all(isinstance(name, str) for name in arrays):
        raise DataError(f"data are arrays by name, as in {{'images': array}}, not {type(arrays).__name__}")
    return {name: _canonical(name, arrays[name]) for name in sorted(arrays)}


def _canonical(name: str, given: Any) -> np.ndarray[Any, Any]:
    if isinstance(given, np.ma.MaskedArray):
        raise DataError(f'the array "{name}" is masked: give its values and its mask as two arrays')
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise DataError(f'"{name}" is no array: {error}') from None
    kind = array.dtype if array.dtype.hasobject else array.dtype.newbyteorder("<")
    return np.asarray(array, dtype=kind, order="C")


def digest_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of the names.

    Of an array of objects, over the objects. Raises DataError where those are no plain values.
    """
    digest = hashlib.sha256()
    for name, array in canonical(arrays).items():
        kind = array.dtype.str if array.dtype.names is None else repr(array.dtype.descr)
        digest.update(f"{name} {kind} {array.shape}\0".encode())
        if array.dtype.hasobject:
            for value in array.ravel().tolist():
                digest.update(f"{_told(name, value)}\0".encode("utf-8", "surrogatepass"))
        elif array.size and array.itemsize:
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _told(name: str, value: Any) -> str:
    """A value of an array of objects, with its type, as text that is the same in every process."""
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        return f"{value.dtype.str} {value.item()!r}"
    if type(value) in (list, tuple):
        return f"{type(value).__name__} [{', '.join(_told(name, item) for item in value)}]"
    if type(value) is dict:
        return f"dict {{{', '.join(f'{_told(name, key)}: {_told(name, item)}' for key, item in value.items())}}}"
    if isinstance(value, np.ndarray):
        return f"array {digest_arrays({name: value})}"
    raise DataError(
        f'the array "{name}" holds a {type(value).__name__}, whose content no digest can be taken of: '
        "give numbers or texts, or arrays of their parts"
    )


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


def _progress(name: str, have: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if have == total else "\r"
        print(f"{name}  {have / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)


def _decode(file: File, path: Path) -> Arrays | None:
    try:
        return file.decode(path)
    except (OSError, ValueError, EOFError):
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
    """A decoder for a text, gzipped or not: its bytes as they are."""

    def decode(path: Path) -> Arrays:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        return {array: np.frombuffer(content, np.uint8)}

    return decode
