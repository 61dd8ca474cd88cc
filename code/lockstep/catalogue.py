"""The datasets that posts use, each declared once."""

from __future__ import annotations

import io
import itertools
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.datasets import Arrays, Dataset, File, Made, idx, text
from lockstep.packed import Packed, unpacked

mnist = Dataset(
    "mnist",
    home="http://yann.lecun.com/exdb/mnist/",
    mirrors=("https://storage.googleapis.com/cvdf-datasets/mnist/",),
    licence="none stated by LeCun, Cortes and Burges; commonly given as CC BY-SA 3.0",
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            "fbff55e1dbd1002c491aa152e3e3afd11c9d931f9046dbdfd759566f4ace782b",
            idx("train_images"),
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            "25824198655c66d6f21df4754789a04408a1d68ac84b74ed4af1df3fa5100dee",
            idx("train_labels"),
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            "5e3ae97d1afbc1fe9028cb55cab79d7ac75fd6672ba5ec35d1c8ee77ee97a891",
            idx("test_images"),
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            "2b79690c8ec65fa17277995a82aef5c4241adc5e0f3d32a21dfd742ffeb6121d",
            idx("test_labels"),
        ),
    ),
)


def _digits() -> Arrays:
    """scikit-learn's 1,797 digits, 8×8 in 17 greys, enlarged to 28×28 bytes by repeating and cutting pixels."""
    from sklearn.datasets import load_digits  # the environment of the smoke profile has it, a build need not

    digits = load_digits()
    images = (digits.images / 16 * 255).round().astype(np.uint8)  # type: ignore[attr-defined]
    nearest = np.arange(28) * 8 // 28
    images = images[:, nearest][:, :, nearest]
    labels = digits.target.astype(np.uint8)  # type: ignore[attr-defined]
    return {
        "train_images": images[:1500],
        "train_labels": labels[:1500],
        "test_images": images[1500:],
        "test_labels": labels[1500:],
    }


digits = Made("digits", _digits, licence="CC BY 4.0 (Alpaydin and Kaynak, UCI; shipped with scikit-learn)")

MULTI30K = {  # name of the file at its home, digest of the decoded bytes
    "train-en": "5bcb92d270f1d83cc3575fdf8d6ef90f2f335124f924afbf245f95eb366b82e8",
    "train-de": "94d623740e3018806132b5ed623b992427409f191323320ec0a6713f301d39d2",
    "val-en": "40045532e61917e119a0ddac8d3da97a69eb5b2cadc3fd207439d29dc09ffa19",
    "val-de": "879eaddc7fc4be8bc0610a9d5209988b67d05edcd3f9e88ba3d050a23390c8f3",
    "test_2016_flickr-en": "a916749f5ee61603bbb6662fd02c1dc740ce1162f6a81c47510c9a0a6f8e1af9",
    "test_2016_flickr-de": "0e53ffeb1dcacce41e08259e06cc78f1819a0ae46fca3c746524d09332c3e9c2",
    "test_2017_flickr-en": "6d8822dc87791dae24b4ba8ecee9c18b82419f74247e80d31f90b43108c99bcb",
    "test_2017_flickr-de": "299e4a759ff6fbbcc154a36388d7a04457fb3096c0c6cd2c6d22e313f6946a53",
    "test_2017_mscoco-en": "725bca289adfb2362fb0cf1204d2138d8ddebedd7aa968dc6daf7f2103e10d15",
    "test_2017_mscoco-de": "bdb34dbfbc498062c7cb5bf2e9912e4a9b848d64ebabd117105b5ebdef42aaf9",
}
multi30k = Dataset(
    "multi30k",
    home="https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/",
    licence="none stated; derived from Flickr30K, for non-commercial research and education",
    files=tuple(
        File(f"{name.replace('-', '.')}.gz", digest, text(name.replace("-", "_"))) for name, digest in MULTI30K.items()
    ),
)


class _Part:
    """An object of a pickled data frame, held as what it was made of: nothing that the file names is called."""

    parts: tuple[Any, ...]
    state: Any

    def __new__(cls, *parts: Any) -> _Part:
        self = super().__new__(cls)
        self.parts = parts
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DataFrame(pickle.Unpickler):
    """Reads what pandas pickled, without pandas. Raises ValueError for a pickle that names anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("pandas.core."):
            return _Part
        if name == "_reconstruct" and module.startswith("numpy."):
            return lambda kind, shape, letter: np.ndarray(shape, letter)
        known = {"ndarray": np.ndarray, "dtype": np.dtype, "slice": slice}
        if module not in ("numpy", "builtins") or name not in known:
            raise ValueError(f"the pickle names {module}.{name}, which no table of numbers needs")
        return known[name]


def pickled_columns(raw: bytes) -> Arrays:
    """The columns of a pickled pandas.DataFrame, by name."""
    held = _DataFrame(io.BytesIO(raw)).load().state["_data"].state[3]["0.14.1"]
    names = held["axes"][0].parts[1]["data"]
    columns: Arrays = {}
    for block in held["blocks"]:
        columns |= zip(names[block["mgr_locs"]], block["values"], strict=True)
    return columns


TRANSACTION_COLUMNS = {  # of those of the files; the others are computed from them
    "TRANSACTION_ID": "<i4",
    "TX_TIME_SECONDS": "<i4",
    "CUSTOMER_ID": "<i2",
    "TERMINAL_ID": "<i2",
    "TX_AMOUNT": "<f8",
    "TX_FRAUD_SCENARIO": "i1",
}


def daily_tables(path: Path) -> Arrays:
    """Transactions from the archive of daily pickles, in the order of days; or from one table of Parquet."""
    if path.suffix == ".parquet":
        from pyarrow import parquet  # only a mirror may hold this container

        table = parquet.read_table(path, columns=list(TRANSACTION_COLUMNS))
        return {name: table[name].to_numpy().astype(kind) for name, kind in TRANSACTION_COLUMNS.items()}
    with tarfile.open(path) as archive:
        days = {entry.name: archive.extractfile(entry) for entry in archive if entry.name.endswith(".pkl")}
        tables = [pickled_columns(file.read()) for _, file in sorted(days.items()) if file]
    if not tables:
        raise ValueError("the archive has no pickled tables")
    return {
        name: np.concatenate([table[name] for table in tables]).astype(kind)
        for name, kind in TRANSACTION_COLUMNS.items()
    }


fraud_handbook = Packed(
    "fraud_handbook_simulated",
    home="https://github.com/Fraud-Detection-Handbook/simulated-data-raw/archive/",
    licence="none stated for the data; the book: CC BY-SA 4.0, its code GPL 3.0 (Le Borgne et al., 2022)",
    files=(
        File(
            "6e67dbd0a3bfe0d7ec33abc4bce5f37cd4ff0d6a.tar.gz",
            "c62e02b8a15f7c6fd07681a9e9ab4a32b0b8a97e186dfab87b86ab562ae6c444",
            daily_tables,
        ),
    ),
    elsewhere=(("6e67dbd0a3bfe0d7ec33abc4bce5f37cd4ff0d6a.tar.gz", "transactions.parquet"),),
)


def _amazon(name: str, digest: str) -> Packed:
    """One category of the five-core reviews: a line a user, `user item item …` in the order of time."""
    return Packed(
        "amazon_5core",
        home="https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/master/data/",
        licence="none stated by McAuley et al.; research use, not redistributed here",
        files=(File(f"{name}.txt", digest, unpacked("sequences")),),
    )


amazon_beauty = _amazon("Beauty", "68f0fc6d8f9eb8af1939ba30f88380794c73d28582e11ff58a967a718c9e42ee")
amazon_toys = _amazon("Toys_and_Games", "9c25f298bf22abc24335e33fd7e84ba72e7b3ce882f226ec9faed5e656eb69db")
amazon_sports = _amazon("Sports_and_Outdoors", "7c9f41090d70bb32e89ae6a6d4889ec2c22395473730492100ef7c668c1cff4d")
movielens_100k = Packed(
    "movielens_100k",
    home="https://files.grouplens.org/datasets/movielens/",
    archive="ml-100k.zip",
    licence="GroupLens: research use with acknowledgement, no redistribution",
    files=(
        File(
            "u.data",
            "30370e63486c85d5ee5f80d7cdfac0d4d9c75266f2f32a4412e1ec973a75350e",
            unpacked("ratings"),
        ),
    ),
)
movielens_latest_small = Packed(
    "movielens_latest_small",
    home="https://files.grouplens.org/datasets/movielens/",
    archive="ml-latest-small.zip",
    licence="GroupLens: research use with acknowledgement; may be redistributed under the same conditions",
    files=(
        File(
            "ratings.csv",
            "3bcfcbc0be7b5a72a2bae30c12f5da26214376af59549d76e211fb5ceee7f00d",
            unpacked("ratings"),
        ),
        File(
            "movies.csv",
            "27d61771e219e30c804d10a0af92a0d61ebb5d98e1fa5c9cc87cbcc2565bfcbb",
            unpacked("movies"),
        ),
    ),
)


class _OnlyArrays(pickle.Unpickler):
    """Reads a pickle of texts, numbers and NumPy arrays, and refuses to look up anything else."""

    LOOKED_UP = (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.LOOKED_UP:
            raise ValueError(f"the pickle asks for {module}.{name}, which no picture needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _cifar(path: Path) -> Arrays:
    """The official archive of pickles, or a NumPy archive of lossless WebP strips: images (N, 32, 32, 3), labels (N,).

    Raises ValueError for any other file.
    """
    with path.open("rb") as file:
        magic = file.read(2)
    images, labels = _cifar_pickles(path) if magic == b"\x1f\x8b" else _cifar_strips(path)
    train = len(images) * 5 // 6  # five batches to train on, one to test
    return {
        "train_images": images[:train],
        "train_labels": labels[:train],
        "test_images": images[train:],
        "test_labels": labels[train:],
    }


def _cifar_pickles(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    images, labels = [], []
    with tarfile.open(path, "r:gz") as archive:
        for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
            try:
                member = archive.extractfile(f"cifar-10-batches-py/{name}")
            except KeyError:
                member = None
            if member is None:
                raise ValueError(f"the archive holds no {name}")
            try:
                batch = _OnlyArrays(member, encoding="latin1").load()
                images.append(batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))  # stored channel by channel
                labels.append(np.asarray(batch["labels"], dtype=np.uint8))
            except (pickle.UnpicklingError, AttributeError, KeyError, TypeError) as error:
                raise ValueError(f"{name} is no batch of pictures: {error}") from None
    return np.concatenate(images), np.concatenate(labels)


def _cifar_strips(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    from PIL import Image  # only this container needs it

    try:
        with np.load(path) as archive:
            blob, ends, labels = archive["blob"].tobytes(), archive["off"], archive["labels"]
        strips = [Image.open(io.BytesIO(blob[begin:end])) for begin, end in itertools.pairwise(ends)]
    except (KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"not an archive of strips: {error}") from None
    return np.concatenate([np.asarray(strip.convert("RGB")).reshape(-1, 32, 32, 3) for strip in strips]), labels


cifar10 = Packed(
    "cifar10",
    home="https://www.cs.toronto.edu/~kriz/",
    licence="none stated by Krizhevsky, who asks to cite the technical report of 2009; for research and education",
    files=(
        File(
            "cifar-10-python.tar.gz",
            "1be866660f6fc397f6cce3beb38df2ab9d18dc36d6498cf71700745c6a5b14cc",
            _cifar,
        ),
    ),
    elsewhere=(("cifar-10-python.tar.gz", "cifar10_webp.npz"),),
)


def _digits_in_colour() -> Arrays:
    """scikit-learn's digits in the form of CIFAR-10: 32 × 32 pixels, a yellowish white on black."""
    from sklearn.datasets import load_digits  # the environment of the smoke profile has it, a build need not

    digits = load_digits()
    grey = digits.images.repeat(4, axis=1).repeat(4, axis=2)[..., None] / 16  # type: ignore[attr-defined]
    images = (grey * np.array([255, 204, 153])).round().astype(np.uint8)
    labels = digits.target.astype(np.uint8)  # type: ignore[attr-defined]
    return {
        "train_images": images[:1500],
        "train_labels": labels[:1500],
        "test_images": images[1500:],
        "test_labels": labels[1500:],
    }


digits_in_colour = Made(
    "digits-in-colour", _digits_in_colour, licence="CC BY 4.0 (Alpaydin and Kaynak, UCI; shipped with scikit-learn)"
)
