"""The datasets that posts use, each declared once."""

from __future__ import annotations

import numpy as np

from lockstep.datasets import Arrays, Dataset, File, Made, idx

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
