"""Datasets from the official home, over real HTTP on this machine: cached, mirrored, resumed, verified."""

import gzip
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from lockstep.catalogue import digits, mnist
from lockstep.datasets import Dataset, File, Made, digest_arrays, fetch, idx, text
from lockstep.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes() + IMAGES.tobytes()


def test_a_text_is_its_bytes_packed_or_not(tmp_path):
    content = "Zwei Hunde laufen über die Straße.\n".encode()
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    for name in ("plain", "packed"):
        arrays = text("train_de")(tmp_path / name)
        assert list(arrays) == ["train_de"] and arrays["train_de"].tobytes() == content
    (tmp_path / "cut").write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(EOFError):
        text("train_de")(tmp_path / "cut")


class Server(ThreadingHTTPServer):
    """Serves `files`; counts requests; `cut` ends the first answer after that many bytes."""

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cut = files, [], 0
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        content = self.server.files.get(self.path[1:])
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.asked.append((self.path, start))
        if content is None:
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end, self.server.cut = self.server.cut or len(content), 0
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(**files: bytes):
    with Server(files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)
    return tmp_path / "cache"


def dataset(home: str, digest: str | None = None) -> Dataset:
    file = File("images", digest or digest_arrays({"images": IMAGES}), idx("images"))
    return Dataset("tiny", home, "none", (file,))


def test_a_file_is_downloaded_once_and_then_cached():
    with serving(images=gzip.compress(RAW)) as server:
        for _ in range(2):
            np.testing.assert_array_equal(dataset(server.url).load()["images"], IMAGES)
        assert server.asked == [("/images", 0)]


def test_a_mirror_may_hold_another_lossless_container(tmp_path, monkeypatch):
    (tmp_path / "mirror/tiny").mkdir(parents=True)
    (tmp_path / "mirror/tiny/images").write_bytes(RAW)
    monkeypatch.setenv("LOCKSTEP_DATA", os.pathsep.join(["/nowhere", str(tmp_path / "mirror")]))
    np.testing.assert_array_equal(dataset("http://127.0.0.1:9/").load()["images"], IMAGES)


def test_a_broken_download_goes_on_where_it_stopped(tmp_path):
    with serving(images=RAW) as server:
        server.cut = 10
        with pytest.raises(OSError, match="ended after 10 of 40 bytes"):
            fetch(server.url + "images", tmp_path / "images")
        assert not (tmp_path / "images").exists()
        fetch(server.url + "images", tmp_path / "images")
        assert (tmp_path / "images").read_bytes() == RAW
        assert server.asked == [("/images", 0), ("/images", 10)]


def test_wrong_content_is_kept_aside_and_never_used(empty_cache):
    with serving(images=RAW[:-1] + b"\xff") as server, pytest.raises(DataError, match="not the declared file"):
        dataset(server.url).load()
    assert (empty_cache / "tiny/images.wrong").exists()
    assert not (empty_cache / "tiny/images").exists()


def test_a_damaged_cache_is_put_aside_and_downloaded_anew(empty_cache):
    (empty_cache / "tiny").mkdir(parents=True)
    (empty_cache / "tiny/images").write_bytes(b"half a fi")
    with serving(images=RAW) as server:
        np.testing.assert_array_equal(dataset(server.url).load()["images"], IMAGES)
    assert (empty_cache / "tiny/images.wrong").read_bytes() == b"half a fi"


def test_without_network_or_mirror_the_way_out_is_told():
    with serving() as server, pytest.raises(DataError, match=r"HTTP 404.*Put images in a folder tiny/ .*LOCKSTEP_DATA"):
        dataset(server.url).load()


def test_made_data_that_changed_is_an_error():
    with pytest.raises(DataError, match="its code now makes"):
        Made("made", lambda: {"x": IMAGES}, declared="0" * 64).load()


def test_the_smoke_digits_have_the_shape_of_mnist():
    arrays = digits.load()
    assert arrays["train_images"].shape == (1500, 28, 28)
    assert arrays["test_images"].shape == (297, 28, 28)
    assert arrays["train_images"].dtype == np.uint8
    assert arrays["train_images"].max() == 255


GOLDEN = "2b93aed35913975037093aebbc0660e85da79e0ed74aeca8668dee27ae72edfd"
VALUES = np.arange(6, dtype=np.int32).reshape(2, 3)
LAYOUTS = {
    "Fortran order": np.asfortranarray(VALUES),
    "big-endian": VALUES.astype(">i4"),
    "every second": np.repeat(VALUES, 2, axis=1)[:, ::2],
    "backwards": VALUES[::-1, ::-1][::-1, ::-1],
    "a subclass": VALUES.view(np.matrix) if hasattr(np, "matrix") else VALUES,
    "a list": [[np.int32(value) for value in row] for row in VALUES.tolist()],
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_data_reach_a_stage_in_one_form_whatever_made_them(layout):
    """Bytes, strides, type and class are what code could tell apart; the digest does not."""
    made = Made("made", lambda: {"y": VALUES, "x": LAYOUTS[layout]})
    other = Made("other", lambda: {"x": VALUES, "y": VALUES})
    assert made.digest == other.digest
    arrays = made.load()
    assert list(arrays) == ["x", "y"]
    assert type(arrays["x"]) is np.ndarray
    assert arrays["x"].flags.c_contiguous
    assert arrays["x"].dtype.str == "<i4"
    assert arrays["x"].strides == VALUES.strides
    assert arrays["x"].tobytes() == VALUES.tobytes()


def test_files_of_a_dataset_are_handed_on_in_the_order_of_names_not_of_files(tmp_path, monkeypatch):
    for name in ("b", "a"):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / name).write_bytes(RAW)
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path))
    files = [File(name, digest_arrays({name: IMAGES}), idx(name)) for name in ("b", "a")]
    one, other = (Dataset("two", "http://127.0.0.1:9/", "none", tuple(given)) for given in (files, files[::-1]))
    assert one.digest == other.digest
    assert list(one.load()) == list(other.load()) == ["a", "b"]


DIFFERENT = [
    (np.float64(3.0), np.array([3.0])),
    (np.zeros(2, [("a", "<f4"), ("b", "<f4")]), np.zeros(2, [("b", "<f4"), ("a", "<f4")])),
    (np.array(["2026-01-02"], "M8[D]"), np.array(["2026-01-02"], "M8[s]")),
    (np.array([1, "1"], object), np.array(["1", 1], object)),
    (np.array([True], object), np.array([1], object)),
    (np.array([[1, 2]], object), np.array([1, 2], object)),
]


@pytest.mark.parametrize("number", range(len(DIFFERENT)))
def test_data_that_a_stage_could_tell_apart_have_two_digests(number):
    one, other = DIFFERENT[number]
    assert digest_arrays({"x": one}) != digest_arrays({"x": other})
    assert digest_arrays({"x": one}) == digest_arrays({"x": one.copy()})


def test_digests_of_plain_arrays_are_those_that_ledgers_hold():
    assert digest_arrays({"b": VALUES, "a": np.arange(3.0)}) == GOLDEN
    assert digest_arrays({"images": IMAGES}) == digest_arrays({"images": np.asfortranarray(IMAGES)})


def test_objects_count_by_what_they_are_in_every_process():
    code = (
        "import numpy as np; from lockstep.datasets import digest_arrays\n"
        "values = ['a' + chr(98), 10**30, 2.5, None, b'x', ('t', [1]), {'k': 'v'}, np.float32(0.5)]\n"
        "array = np.empty(len(values), object); array[:] = values\n"
        "print(digest_arrays({'x': array}), digest_arrays({'x': np.array(['a', 'bc'], np.dtypes.StringDType())}))"
    )
    told = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "12"
    }
    assert len(told) == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([object()])}, "holds a object, whose content no digest can be taken of: give numbers or texts"),
        ({"x": np.ma.array([1, 2], mask=[0, 1])}, "is masked: give its values and its mask as two arrays"),
        ({"x": [[1], [1, 2]]}, '"x" is no array'),
        ([1, 2], "data are arrays by name"),
    ],
)
def test_data_without_a_form_are_refused_with_the_way_out(arrays, message):
    with pytest.raises(DataError, match=message):
        _ = Made("made", lambda: arrays).digest


MIRROR = os.environ.get("LOCKSTEP_DATA", "")


def test_every_real_file_of_mnist_decodes_where_a_mirror_is(monkeypatch):
    if not MIRROR:
        pytest.skip("LOCKSTEP_DATA is not set: the four files of MNIST were not read")
    monkeypatch.setenv("LOCKSTEP_DATA", MIRROR)
    arrays = mnist.load()
    assert arrays["train_images"].shape == (60_000, 28, 28)
    assert arrays["test_labels"].shape == (10_000,)
    assert np.bincount(arrays["test_labels"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
