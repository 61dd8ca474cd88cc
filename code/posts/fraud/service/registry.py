"""Models by digest: a folder in which nothing is ever overwritten, so that going back is naming another digest.

models/<sha256>.txt     the model, as LightGBM writes it
models/<sha256>.json    its card: what it was trained on, its features' bins for drift, its validation
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
from lockstep.errors import LockstepError, nearest

from posts.fraud.service.scorer import Scorer


class ModelCard(msgspec.Struct):
    """What is known of a model. `bins` are inner edges and expected shares of watched features, for drift."""

    rows: int
    frauds: int
    first_day: int
    last_day: int
    settings: dict[str, float]
    bins: dict[str, tuple[list[float], list[float]]]


class Registry:
    """The models of one service."""

    def __init__(self, directory: Path):
        self.directory = directory / "models"
        self.directory.mkdir(parents=True, exist_ok=True)

    def add(self, model: str, card: ModelCard) -> str:
        """Keep a model under its digest, which is returned. The card is written first: a model without one is none."""
        digest = hashlib.sha256(model.encode()).hexdigest()
        for name, content in ((f"{digest}.json", msgspec.json.encode(card)), (f"{digest}.txt", model.encode())):
            part = self.directory / f"{name}.part"
            part.write_bytes(content)
            os.replace(part, self.directory / name)
        return digest

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.directory.glob("*.txt"))

    def find(self, digest: str) -> str:
        """The one digest that begins like this. Raises LockstepError where none or several do."""
        found = [name for name in self.names() if name.startswith(digest)] if digest else []
        if len(found) != 1:
            raise LockstepError(
                f'{len(found) or "no"} models begin with "{digest}"{nearest(digest, self.names())}: name one of '
                f"{len(self.names())} in {self.directory}"
            )
        return found[0]

    def load(self, digest: str) -> tuple[Scorer, ModelCard]:
        """Raises LockstepError where the file is not what its name says."""
        scorer = Scorer(self.directory / f"{digest}.txt")
        if scorer.digest != digest:
            raise LockstepError(f"{digest}.txt has changed since it was registered: its digest is {scorer.digest[:12]}")
        card: Any = msgspec.json.decode((self.directory / f"{digest}.json").read_bytes(), type=ModelCard)
        return scorer, card
