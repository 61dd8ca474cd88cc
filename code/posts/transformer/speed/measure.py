"""Speed beside other libraries on the same weights: a step of training, and beam search.

One process, one thread; everything that is compared takes turns on the same batches, so that what disturbs the machine
disturbs all of it. The numbers that count are ratios to ours.
"""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from posts.transformer.data import Batch, Pairs, encode, padded, read_subwords, sentences, stream
from posts.transformer.decode import Search
from posts.transformer.evaluate import SPLITS, load
from posts.transformer.model import Transformer
from posts.transformer.speed import decoding as speed_decoding
from posts.transformer.speed import training as speed_training

if TYPE_CHECKING:
    from lockstep.datasets import Arrays
    from lockstep.run import Run
    from tokenizers import Tokenizer

    from posts.transformer.experiment import Config


def batches(config: Config, tokenizer: Tokenizer, arrays: Arrays, count: int) -> list[Batch]:
    """The first ones of training."""
    source, target = (
        encode(tokenizer, sentences(arrays, f"train_{language}"), config.longest) for language in ("en", "de")
    )
    return [batch for *_, batch in islice(stream(Pairs(source, target), config.batch_tokens, 0, 0, 0), count)]


def to_translate(config: Config, tokenizer: Tokenizer, arrays: Arrays, count: int) -> list[torch.Tensor]:
    """The first validation and test sentences, by length as `translate` sorts them, as many at once as it searches."""
    texts = [text for split in SPLITS for text in sentences(arrays, f"{split}_en")]
    coded = encode(tokenizer, texts[:count], config.longest)
    at_once = config.decode_rows // config.beam
    coded.sort(key=len)
    return [padded(coded[first : first + at_once]) for first in range(0, len(coded), at_once)]


def compare(config: Config, model: Transformer, tokenizer: Tokenizer, arrays: Arrays) -> list[dict[str, Any]]:
    """Rows of both comparisons. The search is without a length penalty, on whose form the libraries do not agree."""
    torch.set_num_threads(1)
    numbers = tokenizer.get_vocab()
    vocabulary = sorted(numbers, key=numbers.__getitem__)
    asked = to_translate(config, tokenizer, arrays, config.timed_sentences)
    search = Search(config.beam, 0.0, config.longer)
    with tempfile.TemporaryDirectory() as folder:  # first of all: what cannot be compared is told before hours pass
        searches = speed_decoding.contestants_of(config.searches, model, vocabulary, asked, search, Path(folder))
        steps = batches(config, tokenizer, arrays, speed_training.WARM + config.timed_steps)
        rows = speed_training.measure(config, model, steps)
        return rows + speed_decoding.measure(searches, asked, config.timed_rounds)


def measure(run: Run) -> list[dict[str, Any]]:
    """`compare` for the averaged weights of one training."""
    made = run.inputs[0]
    model = load(run.config, made.open("averaged.safetensors"))
    return compare(run.config, model, read_subwords(made.open("subwords.json")), run.data("captions"))
