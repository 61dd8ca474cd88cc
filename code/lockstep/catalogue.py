"""The datasets that posts use, each declared once."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.datasets import Arrays, Dataset, File, Made, idx, text

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


@dataclass(frozen=True)
class Repacked(Dataset):
    """A dataset of one file that mirrors hold under another name, in another lossless container."""

    container: str = ""

    def _at_hand(self, file: File) -> Iterator[Path]:
        yield from super()._at_hand(file)
        yield from super()._at_hand(File(self.container, file.digest, file.decode))


fraud_handbook = Repacked(
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
    container="transactions.parquet",
)
