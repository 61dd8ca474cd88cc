"""The recipe with one thing more: every time a training pair is seen, its words are cut into other subwords.

Byte-pair encoding cuts a word in one way only, so a network learns little of what the parts of a frequent word mean.
BPE-dropout (Provilkov et al., 2020) leaves out merges at random while training; translations are cut as always. Text
and scores are those of `lowered`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import torch

from posts.transformer.data import Pairs
from posts.transformer.lowered import lowered
from posts.transformer.model import END
from posts.transformer.train import build, optimise, prepare

if TYPE_CHECKING:
    from lockstep.run import Run
    from tokenizers import Tokenizer


class Cutter:
    """Words to subwords by the merges of a tokenizer, each possible merge left out with probability `dropout`."""

    def __init__(self, tokenizer: Tokenizer, dropout: float):
        model = json.loads(tokenizer.to_str())["model"]
        self.numbers: dict[str, int] = model["vocab"]
        self.unknown = self.numbers[model["unk_token"]]
        self.ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
        self.dropout = dropout

    def cut(self, word: str, rng: Random) -> list[str]:
        """Algorithm 1 of the paper: of the merges that are possible and not left out this time, the first of the
        table is done, and so on until none is."""
        parts = list(word)
        while len(parts) > 1:
            possible = [
                (rank, i)
                for i, pair in enumerate(pairwise(parts))
                if (rank := self.ranks.get(pair)) is not None and rng.random() >= self.dropout
            ]
            if not possible:
                break
            _, i = min(possible)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return parts

    def encode(self, words: Sequence[str], longest: int, rng: Random) -> list[int]:
        """The words of a sentence as token numbers that end with END, cut to `longest`."""
        found = [self.numbers.get(part, self.unknown) for word in words for part in self.cut(word, rng)]
        return [*found[: longest - 1], END]


def words_of(tokenizer: Tokenizer, text: str) -> list[str]:
    """What the tokenizer cuts one by one: words with the mark of their beginning, and punctuation."""
    normal = tokenizer.normalizer.normalize_str(text)  # pyright: ignore[reportOptionalMemberAccess]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]  # pyright: ignore


@dataclass(frozen=True)
class RecutPairs(Pairs):
    """Pairs that are cut anew for every epoch, which begins by sorting them by length.

    The order that comes to be sorted is drawn from the seed and the number of the epoch, and the cuts are drawn from
    it: a training that resumes within an epoch finds the same ones.
    """

    cutter: Cutter
    source_words: list[list[str]]
    target_words: list[list[str]]
    longest: int

    def by_length(self, order: Sequence[int]) -> list[int]:
        rng = Random(str(order))
        for rows, sentences in ((self.source, self.source_words), (self.target, self.target_words)):
            rows[:] = [self.cutter.encode(words, self.longest, rng) for words in sentences]
        return super().by_length(order)


def fit(run: Run) -> list[dict[str, Any]]:
    """`lowered.fit` on words that are cut anew every epoch. The validation pairs are cut as translations will be."""
    config, arrays = run.config, run.data("captions")
    tokenizer, pairs, validation = prepare(run, lowered)
    source, target = ([words_of(tokenizer, text) for text in lowered(arrays, f"train_{of}")] for of in ("en", "de"))
    cutter = Cutter(tokenizer, config.merge_dropout)
    anew = RecutPairs(pairs.source, pairs.target, cutter, source, target, config.longest)
    model = build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(run.seed))
    return optimise(run, model, anew, validation)
