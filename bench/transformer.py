"""The Transformer beside other libraries, `invoke bench --transformer`: a step of training, and beam search.

One run, one thread, float32 (and, for training, bfloat16) on this processor, on the same weights and data; ratios come
with the absolute times. The weights are the published ones where the store has them, else those of a short training
here; the sentences are Multi30k's, else the made captions. The result is written to docs/benchmarks/transformer.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lockstep.datasets import Arrays
from lockstep.errors import LockstepError
from lockstep.machine import hardware
from lockstep.project import Project
from lockstep.runner import Profile
from posts.transformer.captions import made_captions
from posts.transformer.data import Batch, Pairs, encode, padded, read_subwords, sentences, stream, train_subwords
from posts.transformer.evaluate import load
from posts.transformer.experiment import Config, transformer
from posts.transformer.model import Transformer
from posts.transformer.train import MasterAdam, batch_loss, build, learning_rate
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "benchmarks" / "transformer.json"
PACKAGES = ("torch", "transformers", "ctranslate2", "tokenizers", "numpy")
SPLITS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "val")
SHORT, WARMUP = 400, 200  # updates of the training that stands in for the published one, and of its warm-up


@dataclass(frozen=True)
class Trained:
    """A model with its subwords, and where they come from."""

    model: Transformer
    tokenizer: Tokenizer
    origin: str

    @property
    def vocabulary(self) -> list[str]:
        """Every token, in order."""
        numbers = self.tokenizer.get_vocab()
        return sorted(numbers, key=numbers.__getitem__)


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
    """Weights from a file, with subwords.json beside it. Raises SystemExit where there is none."""
    subwords = weights.with_name("subwords.json")
    for path in (weights, subwords):
        if not path.is_file():
            raise SystemExit(f"there is no file {path}: --weights takes a file of weights with subwords.json beside it")
    return Trained(load(Config(), weights), read_subwords(subwords), f"the file {weights.name}")


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


def batches(config: Config, tokenizer: Tokenizer, arrays: Arrays, count: int) -> list[Batch]:
    """The first ones of training."""
    source, target = (
        encode(tokenizer, sentences(arrays, f"train_{language}"), config.longest) for language in ("en", "de")
    )
    return [batch for *_, batch in islice(stream(Pairs(source, target), config.batch_tokens, 0, 0, 0), count)]


def to_translate(config: Config, tokenizer: Tokenizer, arrays: Arrays, count: int) -> list[torch.Tensor]:
    """The first test sentences, sorted by length as `translate` does, as many at once as the post searches."""
    texts = [text for split in SPLITS for text in sentences(arrays, f"{split}_en")]
    coded = encode(tokenizer, texts[:count], config.longest)
    at_once = config.decode_rows // config.beam
    coded.sort(key=len)
    return [padded(coded[first : first + at_once]) for first in range(0, len(coded), at_once)]


def show(record: dict[str, Any]) -> None:
    step, decoding = record["training step"], record["beam search"]
    for precision, models in step["seconds"].items():
        print(f"\na step of training, {precision}, median of {step['steps']}")
        for name, found in models.items():
            low, high = found["quartiles"]
            print(
                f"  {name:32}{found['median seconds']:>9.3f} s {found['times ours']:>8.2f} times ours "
                f"(quartiles {low:.2f} to {high:.2f})"
            )
        spent = step["where our time goes"][precision]
        print("  " + ", ".join(f"{part} {share:.0%}" for part, share in spent.items()))
    print(f"\nbeam search, {decoding['sentences']} sentences, {decoding['at once']} at once, beam {decoding['beam']}")
    for name, found in decoding["search"].items():
        print(
            f"  {name:32}{found['sentences a second']:>9.1f} sentences/s {found['times ours']:>8.2f} times ours "
            f"({found['identical']:.1%} identical)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40, help="timed steps of training, each model and precision")
    parser.add_argument("--sentences", type=int, default=400, help="sentences to translate")
    parser.add_argument("--rounds", type=int, default=3, help="how often they are translated")
    parser.add_argument("--weights", type=Path, help="a file of weights, with subwords.json beside it")
    arguments = parser.parse_args()
    try:
        import transformer_decoding
        import transformer_training
    except ModuleNotFoundError as error:
        raise SystemExit(f'{error.name} is not installed here: pip install -e ".[compare]"') from None

    torch.set_num_threads(1)
    config, load_at_start = Config(), round(os.getloadavg()[0], 2)
    name, arrays = data()
    trained = given(arguments.weights) if arguments.weights else published() or trained_here(config, arrays)
    print(f"weights: {trained.origin}; sentences: {name}", file=sys.stderr)
    step = transformer_training.measure(
        config,
        trained.model,
        batches(config, trained.tokenizer, arrays, transformer_training.WARM + arguments.steps),
    )
    with tempfile.TemporaryDirectory() as folder:
        decoding = transformer_decoding.measure(
            config,
            trained.model,
            trained.vocabulary,
            to_translate(config, trained.tokenizer, arrays, arguments.sentences),
            arguments.rounds,
            Path(folder) / "ctranslate2",
        )
    record: dict[str, Any] = {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "load at the start": load_at_start,
        "weights": trained.origin,
        "sentences": name,
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        "training step": step,
        "beam search": decoding,
    }
    show(record)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\nwritten to {RECORD.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
