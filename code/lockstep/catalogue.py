"""The datasets that posts use, each declared once."""

from __future__ import annotations

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


def _amazon(name: str, digest: str) -> Dataset:
    """One category of the five-core reviews: a line a user, `user item item …` in the order of time."""
    return Dataset(
        "amazon_5core",
        home="https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/master/data/",
        licence="none stated by McAuley et al.; research use, not redistributed here",
        files=(File(f"{name}.txt", digest, text("sequences")),),
    )


amazon_beauty = _amazon("Beauty", "68f0fc6d8f9eb8af1939ba30f88380794c73d28582e11ff58a967a718c9e42ee")
amazon_toys = _amazon("Toys_and_Games", "9c25f298bf22abc24335e33fd7e84ba72e7b3ce882f226ec9faed5e656eb69db")
amazon_sports = _amazon("Sports_and_Outdoors", "7c9f41090d70bb32e89ae6a6d4889ec2c22395473730492100ef7c668c1cff4d")
movielens_100k = Dataset(
    "movielens_100k",
    home="https://files.grouplens.org/datasets/movielens/",
    licence="GroupLens: research use with acknowledgement, no redistribution",
    files=(
        File(
            "u.data",
            "30370e63486c85d5ee5f80d7cdfac0d4d9c75266f2f32a4412e1ec973a75350e",
            text("ratings"),
            archive="ml-100k.zip",
        ),
    ),
)
movielens_latest_small = Dataset(
    "movielens_latest_small",
    home="https://files.grouplens.org/datasets/movielens/",
    licence="GroupLens: research use with acknowledgement; may be redistributed under the same conditions",
    files=(
        File(
            "ratings.csv",
            "3bcfcbc0be7b5a72a2bae30c12f5da26214376af59549d76e211fb5ceee7f00d",
            text("ratings"),
            archive="ml-latest-small.zip",
        ),
        File(
            "movies.csv",
            "27d61771e219e30c804d10a0af92a0d61ebb5d98e1fa5c9cc87cbcc2565bfcbb",
            text("movies"),
            archive="ml-latest-small.zip",
        ),
    ),
)
