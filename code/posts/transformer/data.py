"""Sentence pairs, subwords and batches.

Text comes from the datasets as bytes, one sentence a line; one vocabulary of byte-pair encoding (Sennrich et al., 2016)
is trained on both languages of the training pairs together, as in section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from posts.transformer.model import END, PAD, START

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]  # in the order of PAD, START, END, UNKNOWN


def sentences(arrays: Mapping[str, NDArray[np.uint8]], name: str) -> list[str]:
    """The lines of a text such as "train_en"."""
    return arrays[name].tobytes().decode("utf-8").split("\n")[:-1]


def train_subwords(texts: Sequence[str], size: int) -> Tokenizer:
    """A byte-pair vocabulary of at most `size` entries. Punctuation stands alone; "▁" marks where a word begins."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[-1]))
    tokenizer.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_subwords(path: Path) -> Tokenizer:
    return Tokenizer.from_str(path.read_text(encoding="utf-8"))


def encode(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> list[list[int]]:
    """Each text as token numbers that end with END, cut to `longest`."""
    return [[*found.ids[: longest - 1], END] for found in tokenizer.encode_batch(list(texts))]


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of token numbers to a tensor (B, L), PAD at the ends of the shorter ones."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])


@dataclass(frozen=True)
class Batch:
    """Source (B, S); the target shifted right, (B, T); and what is to be predicted at each position, (B, T)."""

    source: Tensor
    shifted: Tensor
    target: Tensor

    @property
    def predictions(self) -> int:
        """Target tokens, padding left out."""
        return int((self.target != PAD).sum())

    def to(self, device: torch.device) -> Batch:
        return Batch(self.source.to(device), self.shifted.to(device), self.target.to(device))


@dataclass(frozen=True)
class Pairs:
    """Aligned sentences as token numbers, each ending with END."""

    source: list[list[int]]
    target: list[list[int]]

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Sequence[int]) -> Batch:
        """These pairs, padded to the longest of them: B is their number."""
        targets = [self.target[i] for i in indices]
        shifted = [[START, *row[:-1]] for row in targets]
        return Batch(padded([self.source[i] for i in indices]), padded(shifted), padded(targets))

    def cut(self, tokens: int, order: Sequence[int]) -> list[list[int]]:
        """Indices in `order` cut into batches whose longer side, padding included, holds at most `tokens` tokens."""
        batches: list[list[int]] = [[]]
        widest = 0
        for i in order:
            widest = max(widest, len(self.source[i]), len(self.target[i]))
            if batches[-1] and widest * (len(batches[-1]) + 1) > tokens:
                batches.append([])
                widest = max(len(self.source[i]), len(self.target[i]))
            batches[-1].append(i)
        return batches

    def by_length(self, order: Sequence[int]) -> list[int]:
        """`order`, sorted by the length of the source and then of the target; equal lengths keep their order."""
        return sorted(order, key=lambda i: (len(self.source[i]), len(self.target[i])))


def epoch(pairs: Pairs, tokens: int, seed: int, number: int) -> list[list[int]]:
    """The batches of one epoch, as indices: pairs of like length together, drawn anew each time, in random order."""
    rng = torch.Generator().manual_seed(seed * 1_000_003 + number)
    order = torch.randperm(len(pairs), generator=rng).tolist()
    batches = pairs.cut(tokens, pairs.by_length(order))
    return [batches[i] for i in torch.randperm(len(batches), generator=rng).tolist()]


def stream(pairs: Pairs, tokens: int, seed: int, number: int, position: int) -> Iterator[tuple[int, int, Batch]]:
    """Batches without end from a place in an epoch: (epoch, position after the batch, batch)."""
    while True:
        batches = epoch(pairs, tokens, seed, number)
        for place in range(position, len(batches)):
            yield number, place + 1, pairs.batch(batches[place])
        number, position = number + 1, 0
