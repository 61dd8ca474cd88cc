"""Writing answers: the schema is read once, its questions go on from it side by side, and the likeliest token is taken.

Shapes: B questions, T positions of the longest, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from posts.asksql.grammar import Writer
from posts.asksql.model import Cache, Llama
from posts.asksql.prompt import Table, question_text, schema_text

LONGEST = 120  # tokens of an answer


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and what it thought of it: log-probabilities in nats, before any mask."""

    sql: str
    log_p: float  # of the whole answer
    lowest: float  # of its least likely token
    tokens: int
    whole: bool  # whether it ended by itself


@torch.no_grad()
def answers(
    model: Llama,
    tokenizer: Tokenizer,
    tables: Sequence[Table],
    questions: Sequence[str],
    writers: Sequence[Writer] = (),
    examples: str = "",
    longest: int = LONGEST,
) -> list[Answer]:
    """One answer a question, all of one schema; each within its grammar where `writers` are given.

    `examples` is a text before the schema, such as solved questions.
    """
    before = tokenizer.encode(examples).ids + tokenizer.encode(schema_text(tables)).ids
    asked = [tokenizer.encode(question_text(question)).ids for question in questions]
    width = max(map(len, asked))
    first = Cache(model.shape, 1, len(before))
    model(torch.tensor([before]), cache=first)
    cache = Cache(model.shape, len(asked), len(before) + width + longest)
    cache.fill(first, len(before))
    padded_BT = torch.tensor([own + [0] * (width - len(own)) for own in asked])
    positions_BT = torch.arange(len(before), len(before) + width).expand(len(asked), width)
    states_BTE = model(padded_BT, positions_BT, cache=cache)  # what stands after a question is overwritten, never seen
    ends_B = torch.tensor([len(own) - 1 for own in asked])
    lines = [_Line(tokenizer, writers[i] if writers else None) for i in range(len(asked))]
    with ThreadPoolExecutor(1) as pool:  # masks are made beside the model's work, by code that holds no lock
        masks = [pool.submit(line.mask) for line in lines]
        states_BE = states_BTE[torch.arange(len(asked)), ends_B]
        for step in range(longest):
            log_p_BV = model.logits(states_BE).log_softmax(dim=-1)
            taken_B = [lines[i].take(log_p_BV[i], masks[i].result()) for i in range(len(lines))]
            if all(line.done for line in lines):
                break
            masks = [pool.submit(line.mask) for line in lines]
            at_B1 = (len(before) + ends_B + 1 + step)[:, None]
            states_BE = model(torch.tensor(taken_B)[:, None], at_B1, cache=cache)[:, 0]
    return [line.answer() for line in lines]


class _Line:
    """One answer in the making. It ends with the line."""

    def __init__(self, tokenizer: Tokenizer, writer: Writer | None):
        self.tokenizer, self.writer = tokenizer, writer
        self.taken: list[int] = []
        self.log_p: list[float] = []
        self.done = False

    def mask(self) -> Tensor | None:
        return self.writer.allowed() if self.writer and not self.done else None

    def take(self, log_p_V: Tensor, allowed_V: Tensor | None) -> int:
        """The likeliest allowed token; 0, which nobody reads, once the line has ended."""
        if self.done:
            return 0
        scores = log_p_V if allowed_V is None else log_p_V.masked_fill(~allowed_V, -math.inf)
        token = int(scores.argmax())
        self.taken.append(token)
        self.log_p.append(float(log_p_V[token]))
        if self.writer is not None:
            self.writer.take(token)
        self.done = "\n" in self.tokenizer.decode([token], skip_special_tokens=False) or token <= 2
        return token

    def answer(self) -> Answer:
        text = self.tokenizer.decode(self.taken).split("\n")[0].strip()
        return Answer(text, sum(self.log_p), min(self.log_p), len(self.taken), self.done)


def by_schema(asked: Sequence[tuple[str, str]], batch: int) -> list[list[int]]:
    """Indices of (schema, question) pairs, those of one schema together, at most `batch` at a time."""
    own: dict[str, list[int]] = {}
    for i, (schema, _) in enumerate(asked):
        own.setdefault(schema, []).append(i)
    return [found[i : i + batch] for found in own.values() for i in range(0, len(found), batch)]
