"""A bundle: everything that decides a list, as files with digests in one manifest.

    vectors.npy    (I, D)  items, as retrieval finds them      queries.npy  (I, D)  what each item taken adds to a query
    popularity.npy (I,)    people who took each item           genres.npy   (I, G)  rows sum to 1
    item_ids.npy   (I,)    numbers as callers know them        ranker.txt           LightGBM's own text format
    manifest.json          sha256 of each, and the settings of the pipeline

The digest of a bundle is that of its manifest. A file that is not what the manifest says is refused, with one
exception that keeps a shop open: without usable vectors the bundle loads, says so, and serves popularity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lockstep.errors import LockstepError

from posts.recommender.data import Floats, Ints
from posts.recommender.retrieval import Exact, InvertedFile

FILES = ("vectors.npy", "queries.npy", "popularity.npy", "genres.npy", "item_ids.npy", "ranker.txt")
FOR_RETRIEVAL = ("vectors.npy", "queries.npy")


class BundleRefused(LockstepError):
    """A bundle whose files are not those of its manifest."""


@dataclass(frozen=True)
class Pipeline:
    """Settings that a bundle carries, since they decide lists as much as weights do."""

    decay: float
    candidates: int
    trade: float
    explore: float
    pool: int
    exact_up_to: int = 50_000


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle. `index` is None, and `trouble` says why, where retrieval cannot be trusted."""

    digest: str
    pipeline: Pipeline
    vectors: Floats
    queries: Floats
    popularity: Floats
    genres: Floats
    item_ids: Ints
    ranker: Any
    index: Exact | InvertedFile | None
    trouble: str = ""


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(paths: Mapping[str, Path], pipeline: Pipeline, target: Path) -> None:
    """Describe the files of a bundle, which are written already."""
    content = {"files": {name: digest_of(paths[name]) for name in FILES}, "pipeline": asdict(pipeline)}
    target.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(paths: Mapping[str, Path]) -> Bundle:
    """A bundle from its files by name. Raises BundleRefused for one that is missing or not what the manifest says.

    Vectors are the exception: without them `index` is None.
    """
    import lightgbm

    try:
        text = paths["manifest.json"].read_bytes()
        manifest = json.loads(text)
        pipeline = Pipeline(**manifest["pipeline"])
        declared = manifest["files"]
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise BundleRefused(f"the bundle has no readable manifest.json ({error}): build it again") from None
    wrong = {name: told for name in FILES if (told := _trouble(name, paths, declared))}
    if fatal := [told for name, told in wrong.items() if name not in FOR_RETRIEVAL]:
        raise BundleRefused("; ".join(fatal) + ": build the bundle again, or go back to the one before")
    nothing = np.zeros((0, 0), np.float32)
    arrays = {name: np.load(paths[name]) for name in FILES if name.endswith(".npy") and name not in wrong}
    vectors, index = arrays.get("vectors.npy", nothing), None
    if not wrong:
        index = Exact(vectors) if len(vectors) <= pipeline.exact_up_to else InvertedFile(vectors)
    return Bundle(
        hashlib.sha256(text).hexdigest(),
        pipeline,
        vectors,
        arrays.get("queries.npy", nothing),
        arrays["popularity.npy"],
        arrays["genres.npy"],
        arrays["item_ids.npy"],
        lightgbm.Booster(model_str=paths["ranker.txt"].read_text(encoding="utf-8")),
        index,
        "; ".join(wrong.values()),
    )


def _trouble(name: str, paths: Mapping[str, Path], declared: Mapping[str, str]) -> str:
    """Why a file cannot be used, or nothing."""
    path = paths.get(name)
    if path is None or not path.is_file():
        return f"{name} is missing"
    if digest_of(path) != declared.get(name):
        return f"{name} is not the file that the manifest describes"
    return ""


def in_folder(folder: Path) -> dict[str, Path]:
    """The files of a bundle that lies in one folder."""
    return {name: folder / name for name in (*FILES, "manifest.json")}
