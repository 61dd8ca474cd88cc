"""The Transformer beside other libraries, `invoke bench --transformer`: a step of training, and beam search.

What the post's stage `speed` measures, on weights of choice and without a ledger: the published ones where the store
has them, else those of a short training here; the sentences are Multi30k's, else the made captions. Ratios come with
absolute times and versions, and the result is written to docs/benchmarks/transformer.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lockstep.datasets import Arrays
from lockstep.errors import LockstepError
from lockstep.execute.profiles import Profile
from lockstep.project.project import Project
from lockstep.record.machine import hardware
from posts.transformer.captions import made_captions
from posts.transformer.data import read_subwords, sentences, train_subwords
from posts.transformer.evaluate import load
from posts.transformer.experiment import Config, transformer
from posts.transformer.model import Transformer
from posts.transformer.speed.measure import batches, compare
from posts.transformer.train import MasterAdam, batch_loss, build, learning_rate
from safetensors import SafetensorError
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "benchmarks" / "transformer.json"
PACKAGES = ("torch", "transformers", "ctranslate2", "tokenizers", "numpy")
SHORT, WARMUP = 400, 200  # updates of the training that stands in for the published one, and of its warm-up


class Trained(NamedTuple):
    """A model with its subwords, and where they come from."""

    model: Transformer
    tokenizer: Tokenizer
    origin: str


def data() -> tuple[str, Arrays]:
    """The post's sentences, or the made ones where those are neither here nor to be had."""
    dataset = transformer.data["captions"]
    try:
        return dataset.name, dataset.load()
    except LockstepError as error:
        print(f"{error}\nso the sentences are the made captions", file=sys.stderr)
        return f"made {made_captions.name}", made_captions.load()


def published() -> Trained | None:
    """What the first seed of the post's training left, or None where the store does not have it."""
    post = Project(ROOT).post("transformer")
    line = post.ledger.get("train", {"seed": 0})
    if line is None or line.status != "done":
        return None
    fetch = Profile.published(post).fetch
    weights, subwords = (fetch(line.artefacts[name]) for name in ("averaged.safetensors", "subwords.json"))
    if weights is None or subwords is None:
        return None
    return Trained(load(Config(), weights), read_subwords(subwords), "the published training, seed 0, averaged")


def given(weights: Path) -> Trained:
    """Weights from a file, with subwords.json beside it. Raises LockstepError where there is none."""
    subwords = weights.with_name("subwords.json")
    for path in (weights, subwords):
        if not path.is_file():
            raise LockstepError(
                f"there is no file {path}: --weights takes a file of weights with subwords.json beside it"
            )
    try:
        return Trained(load(Config(), weights), read_subwords(subwords), f"the file {weights.name}")
    except (ValueError, SafetensorError) as error:
        raise LockstepError(f"{weights} does not hold weights of the post's model: {error}") from None


def trained_here(config: Config, arrays: Arrays) -> Trained:
    """A short training by the post's own parts: enough for translations that end where sentences end."""
    texts = sentences(arrays, "train_en"), sentences(arrays, "train_de")
    tokenizer = train_subwords(texts[0] + texts[1], config.vocabulary)
    model = build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(0))
    adam = MasterAdam(model, config.precision, (config.beta1, config.beta2), config.eps)
    rng = torch.Generator().manual_seed(0)
    for update, batch in enumerate(batches(config, tokenizer, arrays, SHORT), start=1):
        loss = batch_loss(model, batch, config.smoothing, rng)
        adam.step(loss, learning_rate(config.peak_rate, WARMUP, update))
        if update % 50 == 0:
            print(f"a short training: update {update} of {SHORT}, loss {float(loss.detach()):.2f}", file=sys.stderr)
    return Trained(model.float().eval(), tokenizer, f"a training of {SHORT} updates, made for this")


def positive(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text}")
    return int(text)


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if "step_seconds" in row:
            name = f"{row['dtype']} {row['model']}"
            print(f"step    {name:28}{row['step_seconds']:>9.3f} s{row['step_ratio']:>12.2f} × ours")
        elif "share" in row:
            print(f"share   {row['dtype'] + ' ' + row['part']:28}{row['share']:>9.1f} %")
        else:
            print(
                f"search  {row['search']:28}{row['sentences_a_second']:>9.1f} sentences/s"
                f"{row['search_ratio']:>8.2f} × ours   {row['identical']:.1f} % identical"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=positive, default=Config.timed_steps, help="steps of each model and precision")
    parser.add_argument("--sentences", type=positive, default=Config.timed_sentences, help="sentences to translate")
    parser.add_argument("--rounds", type=positive, default=Config.timed_rounds, help="how often they are translated")
    parser.add_argument("--weights", type=Path, help="a file of weights, with subwords.json beside it")
    asked = parser.parse_args()
    config = replace(Config(), timed_steps=asked.steps, timed_sentences=asked.sentences, timed_rounds=asked.rounds)
    load_at_start = round(os.getloadavg()[0], 2)
    try:
        trained = given(asked.weights) if asked.weights else published()
        name, arrays = data()
        trained = trained or trained_here(config, arrays)
        print(f"weights: {trained.origin}; sentences: {name}", file=sys.stderr)
        rows = compare(config, trained.model, trained.tokenizer, arrays)
    except LockstepError as error:
        raise SystemExit(str(error)) from None
    record: dict[str, Any] = {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "load at the start": load_at_start,
        "weights": trained.origin,
        "sentences": name,
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        "rows": rows,
    }
    show(rows)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\nwritten to {RECORD.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
