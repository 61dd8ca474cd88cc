"""What a network sees: crops, order, centring, and CIFAR-10 in both of its containers."""

import io
import os
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lockstep.catalogue import cifar10, digits_in_colour
from lockstep.datasets import File, digest_arrays
from lockstep.errors import DataError
from lockstep.packed import Packed
from posts.resnet.data import Images, Order, batch, cropped, mean_picture, shrunk, training_images
from posts.resnet.data import test_images as official_test_images

DECODE = cifar10.files[0].decode


def numbered(count: int, side: int) -> torch.Tensor:
    """Pictures (count, side, side, 1) whose pixels are numbered from 1, row by row."""
    return torch.arange(1.0, side * side + 1).reshape(1, side, side, 1).repeat(count, 1, 1, 1)


def test_crops_reach_all_81_offsets_and_their_mirrors_about_equally_often():
    side, pad, count = 12, 4, 16_200
    rng = torch.Generator().manual_seed(0)
    crops = cropped(numbered(count, side), pad, rng)
    seen: dict[tuple[int, int, bool], int] = {}
    for crop in crops[..., 0].numpy():
        row, column = 5, 6  # near the middle, inside the picture at every offset
        mirrored = crop[row, column] > crop[row, column + 1]
        number = int(crop[row, side - 1 - column] if mirrored else crop[row, column]) - 1
        offset = (number // side - row + pad, number % side - column + pad, bool(mirrored))
        seen[offset] = seen.get(offset, 0) + 1
    assert set(seen) == {(i, j, m) for i in range(9) for j in range(9) for m in (False, True)}
    assert min(seen.values()) > 50 and max(seen.values()) < 160  # 100 on average


def test_a_crop_is_the_picture_in_a_frame_of_zeros_seen_from_its_offset():
    pictures = torch.randn(64, 6, 6, 3, generator=torch.Generator().manual_seed(1))
    crops = cropped(pictures, 2, torch.Generator().manual_seed(2))
    rng = torch.Generator().manual_seed(2)  # the same chances again, one picture at a time
    offsets, mirrored = torch.randint(5, (64, 2), generator=rng), torch.randint(2, (64, 1), generator=rng)
    for picture, crop, (row, column), mirror in zip(pictures, crops, offsets.tolist(), mirrored.tolist(), strict=True):
        framed = torch.zeros(10, 10, 3)
        framed[2:8, 2:8] = picture
        expected = framed[row : row + 6, column : column + 6]
        assert torch.equal(crop, expected.flip(1) if mirror[0] else expected)


def test_each_pass_shows_every_image_once_and_batches_run_across_passes():
    order = Order(10, torch.Generator().manual_seed(0))
    taken = torch.cat([order.take(4) for _ in range(10)])
    passes = taken.reshape(4, 10)
    assert all(sorted(one) == list(range(10)) for one in passes.tolist())
    assert len({tuple(one) for one in passes.tolist()}) == 4


def test_batches_are_channels_last_and_carry_their_own_labels():
    labels = torch.arange(20)
    pictures = labels[:, None, None, None].expand(20, 4, 4, 3).to(torch.uint8).contiguous()
    images = Images(pictures, labels, torch.zeros(4, 4, 3))
    rng = torch.Generator().manual_seed(0)
    x, y = batch(images, Order(20, rng), 8, 0, rng)
    assert x.shape == (8, 3, 4, 4) and x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal((x[:, 0, 0, 0] * 255).round().long(), y)


def test_the_mean_comes_from_training_images_alone_and_centres_them():
    rng = np.random.default_rng(0)
    arrays = {"train_images": rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)}
    arrays |= {"train_labels": rng.integers(0, 10, 50).astype(np.uint8)}
    arrays |= {"test_images": arrays["train_images"][:7], "test_labels": arrays["train_labels"][:7]}
    train, validation = training_images(arrays, 10, 8)
    assert (len(train), len(validation)) == (40, 10)
    assert torch.equal(validation.bytes_NHWC, torch.from_numpy(arrays["train_images"][40:]))
    expected = (arrays["train_images"][:40].astype(np.float64) / 255).mean(0)
    np.testing.assert_allclose(train.mean_HWC.numpy(), expected, rtol=1e-6)
    assert validation.mean_HWC is train.mean_HWC
    assert train.seen(slice(None)).mean(0).abs().max() < 1e-6
    test = official_test_images(arrays, 8, train.mean_HWC)
    assert torch.equal(test.seen(slice(0, 3)), train.seen(torch.arange(3)))
    assert len(training_images(arrays, 0, 8)[0]) == 50  # nothing held out: all to train on
    assert torch.equal(mean_picture(train.bytes_NHWC), train.mean_HWC)


def test_shrinking_takes_rounded_means_of_squares():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    small = shrunk(pictures, 4)
    expected = np.floor(pictures[1, 2:4, 6:8, 2].mean() + 0.5)
    assert small.shape == (3, 4, 4, 3) and small[1, 1, 3, 2] == expected
    assert shrunk(pictures, 8) is pictures
    with pytest.raises(ValueError, match="8 × 8 pixels cannot become 3 × 3"):
        shrunk(pictures, 3)


def python2_batch(
    data: np.ndarray, labels: list[int], reconstruct: str = "numpy.core.multiarray\n_reconstruct"
) -> bytes:
    """A batch as Python 2 pickled it, opcode by opcode: texts are byte strings, the array is rebuilt by NumPy."""

    def string(text: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(text)) + text

    shape = b"".join(b"M" + struct.pack("<H", size) for size in data.shape)
    dtype = b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"c" + reconstruct.encode() + b"\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
    array += b"(K\x01(" + shape + b"t" + dtype + b"\x89" + string(data.tobytes()) + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + listed + b"u."


def archive(path: Path, batches: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in batches.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def pictures_of(batches: int = 6, each: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (batches * each, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, batches * each).astype(np.uint8)


def test_the_official_pickles_and_the_lossless_strips_decode_to_the_same_arrays(tmp_path):
    from PIL import Image

    images, labels = pictures_of()
    flat = images.transpose(0, 3, 1, 2).reshape(6, 4, 3072)
    batches = {name: python2_batch(flat[i], labels[4 * i : 4 * i + 4].tolist()) for i, name in enumerate(NAMES)}
    official = DECODE(archive(tmp_path / "official.tar.gz", batches))

    strips = []
    for strip in images.reshape(3, 8 * 32, 32, 3):
        Image.fromarray(strip).save(file := io.BytesIO(), "WEBP", lossless=True, exact=True)
        strips.append(file.getvalue())
    ends = np.cumsum([0, *map(len, strips)])
    np.savez(tmp_path / "strips.npz", blob=np.frombuffer(b"".join(strips), np.uint8), off=ends, labels=labels)
    mirrored = DECODE(tmp_path / "strips.npz")

    assert digest_arrays(official) == digest_arrays(mirrored)
    assert np.array_equal(official["train_images"], images[:20]) and np.array_equal(
        official["test_labels"], labels[20:]
    )


def test_a_mirror_may_hold_the_same_arrays_under_another_name(tmp_path, monkeypatch):
    (tmp_path / "mirror/small").mkdir(parents=True)
    np.save(tmp_path / "mirror/small/other.npy", np.arange(5))
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "mirror"))
    digest = digest_arrays({"x": np.arange(5)})
    file = File("official.gz", digest, lambda path: {"x": np.load(path)})
    elsewhere = (("official.gz", "other.npy"),)
    home = (tmp_path / "nowhere").as_uri() + "/"
    assert np.array_equal(Packed("small", home, "none", (file,), elsewhere=elsewhere).load()["x"], np.arange(5))
    with pytest.raises(DataError, match="does not decode to the declared arrays"):  # the digest decides, not the name
        Packed("small", home, "none", (replace(file, digest="0" * 64),), elsewhere=elsewhere).load()


def test_a_pickle_that_asks_for_anything_but_arrays_is_refused_and_not_run(tmp_path):
    images, labels = pictures_of(1)
    honest = python2_batch(images.reshape(4, 3072), labels.tolist())
    hostile = (
        b"cposix\nmkdir\n" + b"U" + bytes([len(str(tmp_path / "made"))]) + str(tmp_path / "made").encode() + b"\x85R."
    )
    for evil in (hostile, honest.replace(b"numpy.core.multiarray\n_reconstruct", b"numpy.core.multiarray\nfromfile")):
        path = archive(tmp_path / "evil.tar.gz", dict.fromkeys(NAMES, evil))
        with pytest.raises(ValueError, match="which no picture needs"):
            DECODE(path)
    assert not (tmp_path / "made").exists()


def test_other_files_are_no_cifar(tmp_path):
    (tmp_path / "text").write_text("pictures")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    incomplete = archive(tmp_path / "incomplete.tar.gz", {})
    nonsense = archive(tmp_path / "nonsense.tar.gz", dict.fromkeys(NAMES, b"nonsense"))
    for path in (tmp_path / "text", tmp_path / "other.npz", incomplete, nonsense):
        with pytest.raises((ValueError, OSError)):
            DECODE(path)


def test_digits_come_in_the_form_of_cifar():
    arrays = digits_in_colour.load()
    assert arrays["train_images"].shape[1:] == (32, 32, 3) and arrays["train_images"].dtype == np.uint8
    assert set(arrays) == {"train_images", "train_labels", "test_images", "test_labels"}
    assert sorted(set(arrays["test_labels"].tolist())) == list(range(10))


def test_the_real_images_are_the_declared_ones():
    folders = [Path(part) for part in os.environ.get("LOCKSTEP_DATA", "").split(os.pathsep) if part]
    names = ("cifar-10-python.tar.gz", "cifar10_webp.npz")
    if not any((folder / "cifar10" / name).is_file() for folder in folders for name in names):
        pytest.skip("not at hand: the real CIFAR-10, so its decoding is not compared with the declared digest here")
    arrays = cifar10.load()
    assert arrays["train_images"].shape == (50_000, 32, 32, 3)
    assert np.bincount(arrays["train_labels"]).tolist() == [5000] * 10
    assert np.bincount(arrays["test_labels"]).tolist() == [1000] * 10
    train, _ = training_images(arrays, 5000, 32)
    assert train.mean_HWC.mean(dim=(0, 1)).numpy() == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-3)
