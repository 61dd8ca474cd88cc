"""Packing: a schema once, its questions after it, several schemas in one sequence, and who may look at whom.

Each question with its answer sees its own schema and itself, and its positions go on from the schema's end, as if the
two stood alone. So a pack gives the very losses of its questions one by one, at the cost of each schema only once.

Shapes: T positions of a pack, A of them that predict a token of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import Tensor

from posts.asksql.data import Corpus, Question
from posts.asksql.prompt import answer_text, question_text, schema_text

ALONE = -1  # the schema of what has none


@dataclass(frozen=True)
class Coded:
    """A schema and its questions as token numbers: each question with its answer."""

    schema: list[int]
    asked: list[tuple[list[int], list[int]]]

    def __len__(self) -> int:
        return len(self.schema) + sum(len(question) + len(answer) for question, answer in self.asked)


@dataclass
class Pack:
    """One sequence of a training step."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    schemas: list[int] = field(default_factory=list)  # the segment of the schema that a position may look at
    predicting: list[int] = field(default_factory=list)  # positions whose next token belongs to an answer
    targets: list[int] = field(default_factory=list)  # these tokens
    questions: int = 0

    def add(self, coded: Coded) -> None:
        schema = self._segment(coded.schema, 0, ALONE)
        for question, answer in coded.asked:
            begin = len(self.tokens) + len(question) - 1
            self._segment(question + answer[:-1], len(coded.schema), schema)
            self.predicting.extend(range(begin, begin + len(answer)))
            self.targets.extend(answer)
            self.questions += 1

    def _segment(self, tokens: list[int], first_position: int, schema: int) -> int:
        number = self.segments[-1] + 1 if self.segments else 0
        self.tokens += tokens
        self.positions += range(first_position, first_position + len(tokens))
        self.segments += [number] * len(tokens)
        self.schemas += [schema] * len(tokens)
        return number

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Tokens and positions (1, T), mask (1, T, T), predicting positions (A,) and their targets (A,)."""
        segment_T, schema_T = torch.tensor(self.segments), torch.tensor(self.schemas)
        same_TT = segment_T[:, None] == segment_T[None]
        own_schema_TT = schema_T[:, None] == segment_T[None]
        mask_TT = (same_TT | own_schema_TT) & torch.ones(len(segment_T), len(segment_T), dtype=torch.bool).tril()
        tokens_1T, positions_1T = torch.tensor([self.tokens]), torch.tensor([self.positions])
        return tokens_1T, positions_1T, mask_TT[None], torch.tensor(self.predicting), torch.tensor(self.targets)


def encode(tokenizer: Tokenizer, corpus: Corpus, group: Sequence[Question]) -> Coded:
    """Questions of one schema, each part encoded by itself: no token spans two parts, in training or at work."""
    asked = [
        (tokenizer.encode(question_text(each.text)).ids, tokenizer.encode(answer_text(each.sql)).ids) for each in group
    ]
    return Coded(tokenizer.encode(schema_text(corpus.schemas[group[0].schema])).ids, asked)


def packs(groups: Iterable[Coded], most: int) -> list[Pack]:
    """Groups in order, as many a pack as fit `most` tokens; a group that alone is larger has a pack of its own."""
    found: list[Pack] = []
    for coded in groups:
        if not found or len(found[-1].tokens) + len(coded) > most:
            found.append(Pack())
        found[-1].add(coded)
    return found
