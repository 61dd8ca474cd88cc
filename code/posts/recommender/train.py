"""Training SASRec: epochs until validation stops improving, resumable, with the tuning budget of every other model.

`tune` fits one trial and looks at validation only. `fit` takes the settings that did best there, fits them for each
seed and reads the test items once. An epoch's order and dropout follow from the seed and the epoch's number, so that
a resumed training equals an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from posts.recommender.compare import CUT, keep_ranks, test_row
from posts.recommender.data import Split, histories_of, leave_last_out
from posts.recommender.metrics import rank_all
from posts.recommender.sasrec import SASRec, batches, chosen, loss_of, score
from posts.recommender.tuning import Settings, draw, spelled

if TYPE_CHECKING:
    from lockstep.run import Run

EPOCHS_OF_A_SEED = 100_003  # spreads (seed, epoch) over the seeds of generators
CURVE = ("epoch", "loss", "validation_ndcg", "validation_recall")


class Training:
    """A model, its optimiser, the best weights so far and the curve: all that a checkpoint holds."""

    def __init__(self, item_count: int, config: Any, settings: Settings, seed: int):
        self.model = SASRec(
            item_count, config.longest, config.width, settings["blocks"], settings["heads"], settings["dropout"], seed
        )
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=settings["rate"], weight_decay=settings["weight_decay"]
        )
        self.best_weights: dict[str, Tensor] = {}
        self.curve: list[list[float]] = []

    @property
    def done(self) -> int:
        """Epochs trained up to the last validation, where checkpoints are written."""
        return int(self.curve[-1][0]) if self.curve else 0

    @property
    def best(self) -> list[float]:
        """The row of the curve with the best validation NDCG, the first of equals."""
        return max(self.curve, key=lambda row: (row[2], -row[0]))

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best_weights.items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
        tensors["curve"] = torch.tensor(self.curve, dtype=torch.float64)
        save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, path)

    def restore(self, path: Path) -> None:
        tensors = load_file(path)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in parts:
                parts[kind][rest] = value
        self.model.load_state_dict(parts["model"])
        self.best_weights, self.curve = parts["best"], tensors["curve"].tolist()
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["adam"].items():
            number, _, field = name.partition(".")
            state.setdefault(int(number), {})[field] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})


def epoch(training: Training, split: Split, config: Any, number: int, seed: int) -> float:
    """One pass over the training histories, the `number`-th from 0; returns the mean loss of its batches."""
    at = seed * EPOCHS_OF_A_SEED + number
    rng, losses = torch.Generator().manual_seed(at), []
    for users in batches(split.train, config.batch, np.random.default_rng(at)):
        loss = loss_of(training.model, chosen(split.train, users), config.loss, config.negatives, rng)
        training.optimiser.zero_grad()
        loss.backward()
        training.optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def train(run: Run, split: Split, settings: Settings, seed: int) -> Training:
    """Train until `patience` epochs have brought no better validation NDCG@10, or `epochs` are done.

    Validation is read after every `validate_every` epochs. A loss that is not finite fails the run.
    """
    config = run.config
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    training = Training(split.train.item_count, config, settings, seed)
    if (checkpoint := run.resume()) is not None:
        training.restore(checkpoint)
    while training.done < config.epochs and waited(training) < config.patience:
        until = min(training.done + config.validate_every, config.epochs)
        loss = float(np.mean([epoch(training, split, config, n, seed) for n in range(training.done, until)]))
        if not np.isfinite(loss):
            run.fail(f"the loss of epochs {training.done + 1} to {until} is {loss}")
        ranks = rank_all(lambda histories: score(training.model, histories), split.train, split.validation)
        recall, ndcg = float(ranks.recall(CUT).mean()), float(ranks.ndcg(CUT).mean())
        training.curve.append([until, loss, ndcg, recall])
        if training.best is training.curve[-1]:
            training.best_weights = {
                name: value.detach().clone() for name, value in training.model.state_dict().items()
            }
        with run.checkpoint() as path:
            training.save(path)
        run.progress(training.done, config.epochs, loss=loss, ndcg=ndcg)
    training.model.load_state_dict(training.best_weights)
    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in training.curve])
    return training


def waited(training: Training) -> int:
    """Epochs since the best one."""
    return training.done - int(training.best[0]) if training.curve else 0


def tune(run: Run) -> dict[str, Any]:
    """One trial: returns the best epoch's validation NDCG@10 and recall@10. Output: curve.csv."""
    settings = draw("sasrec", run.config.trial)
    split = leave_last_out(histories_of(run.data(run.config.dataset)))
    training = train(run, split, settings, seed=0)
    _, _, ndcg, recall = training.best
    values = {"validation_ndcg": ndcg, "validation_recall": recall}
    return values | {"epochs_trained": training.done, "settings": spelled(settings)}


def best_trial(rows: Sequence[Mapping[str, Any]], dataset: str) -> int:
    """The trial with the best validation NDCG@10 on a dataset, the first of equals."""
    own = [row for row in rows if row["dataset"] == dataset]
    return max(own, key=lambda row: (row["validation_ndcg"], -row["trial"]))["trial"]


def fit(run: Run) -> dict[str, Any]:
    """Train the chosen settings with one seed, and test once.

    Returns what `compare.tune_and_test` returns. Artefacts: sasrec.safetensors, ranks.npy; output: curve.csv.
    """
    config, started = run.config, time.process_time()
    rows = [row for made in run.inputs if made.keys["dataset"] == config.dataset for row in made.rows]
    trial = best_trial(rows, config.dataset)
    settings = draw("sasrec", trial)
    split = leave_last_out(histories_of(run.data(config.dataset)))
    training = train(run, split, settings, run.seed)
    seconds = time.process_time() - started
    save_file(
        {name: value.contiguous() for name, value in training.best_weights.items()}, run.artefact("sasrec.safetensors")
    )
    test = rank_all(lambda histories: score(training.model, histories), split.known, split.test)
    keep_ranks(run, test)
    told = {"trials": config.trials, "chosen": trial, "epochs_trained": training.done}
    return test_row(test, config.bootstrap_draws) | told | {"validation_ndcg": training.best[2], "fit_seconds": seconds}
