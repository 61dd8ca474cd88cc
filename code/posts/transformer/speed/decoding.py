"""Beam search over the same weights: ours, one without a cache, Hugging Face's generate, and CTranslate2.

Every contestant gets the same padded batches and finds token numbers; the clock covers the search alone. The rules of
the search agree: no length penalty, a sentence is done when as many hypotheses have ended as the beam is wide, END
counts. Where hypotheses tie in float32, or a translation reaches its limit, they may still differ.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lockstep.errors import LockstepError, nearest
from torch import Tensor

from posts.transformer.decode import Begin, Search, TransformerSteps, beam_search, steps_of
from posts.transformer.model import END, PAD, START, Transformer
from posts.transformer.speed.peers import ctranslate2_model, marian

Found = list[list[int]]
Contestant = Callable[[int], Found]  # the number of a batch to its translations, without START and END
LEAST_IDENTICAL = 0.95
OURS = "ours"  # the search of the post, over cached keys and values


class WholePrefix(TransformerSteps):
    """Steps without a cache: all tokens so far go through the decoder each time. The source is still read once."""

    def __init__(self, model: Transformer, source_BS: Tensor, hypotheses: int):
        super().__init__(model, source_BS, hypotheses)
        self.tokens_RL = torch.empty((len(source_BS) * hypotheses, 0), dtype=torch.long)

    def next(self, tokens_R: Tensor) -> Tensor:
        self.tokens_RL = torch.cat([self.tokens_RL, tokens_R[:, None]], dim=1)
        states_RLD = self.model.decode(self.tokens_RL, self.memories, self.mask)
        return self.model.logits(states_RLD[:, -1])

    def reorder(self, rows_R: Tensor) -> None:
        self.tokens_RL = self.tokens_RL[rows_R]


def whole_prefix_of(model: Transformer) -> Begin:
    return lambda source_BS, hypotheses: WholePrefix(model, source_BS, hypotheses)


def searching(begin: Begin, batches: list[Tensor], search: Search) -> Contestant:
    return lambda number: beam_search(begin, batches[number], search)


def until_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(END)] if END in tokens else tokens


def generating(model: Transformer, batches: list[Tensor], search: Search) -> Contestant:
    """Its limit is one for the batch: that of the longest source."""
    peer: Any = marian(model)

    @torch.inference_mode()
    def generate(number: int) -> Found:
        source_BS = batches[number]
        written_BT = peer.generate(
            input_ids=source_BS,
            attention_mask=(source_BS != PAD).long(),
            num_beams=search.width,
            do_sample=False,
            early_stopping=True,
            length_penalty=search.alpha,
            max_new_tokens=source_BS.shape[1] + search.longer,
        )
        assert (written_BT[:, 0] == START).all()
        return [until_end(row) for row in written_BT[:, 1:].tolist()]

    return generate


def translating(
    model: Transformer, vocabulary: list[str], batches: list[Tensor], search: Search, folder: Path
) -> Contestant:
    """Its limit is one for the batch, too."""
    translator: Any = ctranslate2_model(model, vocabulary, folder)
    sources = [[[vocabulary[token] for token in row if token != PAD] for row in batch.tolist()] for batch in batches]
    numbers = {token: number for number, token in enumerate(vocabulary)}

    def translate(number: int) -> Found:
        results = translator.translate_batch(
            sources[number],
            beam_size=search.width,
            length_penalty=search.alpha or 1e-9,  # at 0 it would stop at the first hypothesis that ends on top
            max_decoding_length=batches[number].shape[1] + search.longer,
        )
        return [[numbers[token] for token in result.hypotheses[0]] for result in results]

    return translate


def contestants_of(
    names: Sequence[str],
    model: Transformer,
    vocabulary: list[str],
    batches: list[Tensor],
    search: Search,
    folder: Path,
) -> dict[str, Contestant]:
    """Those that are asked for. Raises LockstepError for a name that is none, where ours is not among them, and where
    one needs a package that is not installed."""
    makers: dict[str, Callable[[], Contestant]] = {
        OURS: lambda: searching(steps_of(model), batches, search),
        "whole prefix": lambda: searching(whole_prefix_of(model), batches, search),
        "generate": lambda: generating(model, batches, search),
        "CTranslate2": lambda: translating(model, vocabulary, batches, search, folder),
    }
    for name in names:
        if name not in makers:
            raise LockstepError(f'no search is called "{name}"{nearest(name, makers)}')
    if OURS not in names:
        raise LockstepError(f'the searches {", ".join(names)} are compared with "{OURS}": name it among them')
    try:
        return {name: makers[name]() for name in names}
    except ModuleNotFoundError as error:
        raise LockstepError(f'a search needs {error.name}, not installed here: pip install -e ".[compare]"') from None


def measure(contestants: dict[str, Contestant], batches: list[Tensor], rounds: int) -> list[dict[str, Any]]:
    """A row for each search: sentences a second, its time over ours, and agreement with ours in percent.

    A round is every batch by every search in turn; both times are medians over the rounds. Raises LockstepError where
    translations differ from ours so much that the times could not be compared.
    """
    found = {name: [search_of(i) for i in range(len(batches))] for name, search_of in contestants.items()}  # and warm
    same = {name: identical(found[name], found[OURS]) for name in contestants}
    for name, share in same.items():
        if share < LEAST_IDENTICAL:
            raise LockstepError(
                f"only {share:.1%} of the translations of {name} are ours, not {LEAST_IDENTICAL:.0%} of them:"
                " is it the same search on the same weights?"
            )
    times = seconds(contestants, len(batches), rounds)
    sentences = sum(map(len, batches))
    return [
        {
            "search": name,
            "sentences_a_second": sentences / statistics.median(taken),
            "search_ratio": statistics.median(their / our for their, our in zip(taken, times[OURS], strict=True)),
            "identical": 100 * same[name],
        }
        for name, taken in times.items()
    ]


def identical(found: list[Found], others: list[Found]) -> float:
    """The share of sentences whose translations are the same, token for token."""
    pairs = [pair for part, other in zip(found, others, strict=True) for pair in zip(part, other, strict=True)]
    return sum(one == two for one, two in pairs) / len(pairs)


def seconds(contestants: dict[str, Contestant], batches: int, rounds: int) -> dict[str, list[float]]:
    """Of each contestant on all batches together, a value a round.

    Who is first changes from batch to batch, and on a batch from round to round.
    """
    names = list(contestants)
    times = {name: [0.0] * rounds for name in names}
    for turn in range(rounds * batches):
        now, number = divmod(turn, batches)
        first = (now + number) % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            contestants[name](number)
            times[name][now] += time.perf_counter() - started
    return times
