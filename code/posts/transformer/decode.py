"""Decoding: greedy, and beam search with length penalty (section 6.1), one token a step from cached keys and values.

A model is searched through its `Steps`: what it knows of the source and of the tokens so far, a row a hypothesis.
Shape legend: B sentences, K hypotheses of one sentence, R = B·K rows, V vocabulary, L tokens so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from posts.transformer.data import encode, padded
from posts.transformer.model import END, PAD, START, Past, Transformer

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Search:
    """Section 6.1: hypotheses side by side, the exponent of the length penalty, and by how many tokens a translation
    may be longer than its source."""

    width: int
    alpha: float = 1.0
    longer: int = 50


class Steps(Protocol):
    """A decoder that is asked for one token a row at a time."""

    def next(self, tokens_R: Tensor) -> Tensor:
        """The newest tokens to the logits (R, V) of the ones after them."""
        ...

    def reorder(self, rows_R: Tensor) -> None:
        """Row i goes on from what was row `rows_R[i]`, of the same sentence."""
        ...

    def keep(self, rows_R: Tensor) -> None:
        """Only these rows go on: whole sentences are dropped."""
        ...


Begin = Callable[[Tensor, int], Steps]  # source tokens (B, S) and K: what is searched


class TransformerSteps:
    """A Transformer that keeps each layer's keys and values: a step costs one position, not the whole prefix."""

    def __init__(self, model: Transformer, source_BS: Tensor, hypotheses: int):
        self.model = model
        memory_BSD, mask = model.encode(source_BS)
        self.memories = [
            tuple(part.repeat_interleave(hypotheses, dim=0) for part in pair) for pair in model.memories(memory_BSD)
        ]
        self.mask = None if mask is None else mask.repeat_interleave(hypotheses, dim=0)
        self.pasts = [Past() for _ in self.memories]
        self.position = 0

    def next(self, tokens_R: Tensor) -> Tensor:
        states = self.model.decode(
            tokens_R[:, None], self.memories, self.mask, pasts=self.pasts, first=self.position
        )  # (R, 1, D)
        self.position += 1
        return self.model.logits(states[:, 0])

    def reorder(self, rows_R: Tensor) -> None:
        for past in self.pasts:
            past.reorder(rows_R)

    def keep(self, rows_R: Tensor) -> None:
        self.reorder(rows_R)
        self.memories = [tuple(part[rows_R] for part in pair) for pair in self.memories]
        self.mask = None if self.mask is None else self.mask[rows_R]


def steps_of(model: Transformer) -> Begin:
    """How a Transformer is searched: through its cache."""
    return lambda source_BS, hypotheses: TransformerSteps(model, source_BS, hypotheses)


def length_penalty(length: int, alpha: float) -> float:
    """length^α, which divides a hypothesis's log-probability: at α = 1 the best mean over its tokens wins.

    That is what fairseq does, and with it those whose result we reproduce. The paper (section 6.1) divides by
    ((5 + length) / 6)^0.6 of Wu et al. (2016, equation 14), which favours short hypotheses more.
    """
    return length**alpha


def limits(source_BS: Tensor, longer: int) -> Tensor:
    """How many tokens, END included, the translation of each sentence (B,) may have: whatever else is in its batch."""
    return (source_BS != PAD).sum(dim=1) + longer


@torch.inference_mode()
def greedy(begin: Begin, source_BS: Tensor, longer: int) -> list[list[int]]:
    """The likeliest token at each step, until END or `longer` tokens more than the source.

    `source_BS` holds token numbers, PAD at the ends. Returns a translation for each of the B sentences: token numbers,
    without START and END.
    """
    steps = begin(source_BS, 1)
    tokens_R = torch.full((len(source_BS),), START, device=source_BS.device)
    found: list[list[int]] = [[] for _ in source_BS]
    going = list(range(len(found)))  # the sentence of each row
    limit_R = limits(source_BS, longer)
    while going:
        tokens_R = steps.next(tokens_R).argmax(dim=-1)
        for sentence, token in zip(going, tokens_R.tolist(), strict=True):
            found[sentence].append(token)
        rows_R = ((tokens_R != END) & (limit_R > len(found[going[0]]))).nonzero()[:, 0]
        if len(rows_R) < len(going):
            steps.keep(rows_R)
            tokens_R, limit_R, going = tokens_R[rows_R], limit_R[rows_R], [going[row] for row in rows_R.tolist()]
    return [row[:-1] if row[-1] == END else row for row in found]


@torch.inference_mode()
def beam_search(begin: Begin, source_BS: Tensor, search: Search) -> list[list[int]]:
    """The best finished hypothesis of each sentence under log p / length_penalty; END counts in the length.

    `source_BS` and what is returned are those of `greedy`; where nothing has ended, the likeliest as it stands.
    Each step keeps the `width` likeliest unfinished hypotheses of a sentence. A hypothesis finishes when it ends among
    the `width` likeliest; a sentence is done when `width` have finished, or when it is as long as it may be.
    """
    device, sentences, width = source_BS.device, len(source_BS), search.width
    steps = begin(source_BS, width)
    found: list[list[int]] = [[] for _ in range(sentences)]
    best_B = torch.full((sentences,), -torch.inf, device=device)
    finished_B = torch.zeros(sentences, dtype=torch.long, device=device)
    going_B = torch.arange(sentences, device=device)  # the sentence of each group of K rows
    scores_BK = torch.full((sentences, width), -torch.inf, device=device)
    scores_BK[:, 0] = 0  # the first step has one hypothesis, not `width` equal ones
    tokens_BKL = torch.empty((sentences, width, 0), dtype=torch.long, device=device)
    newest_R = torch.full((sentences * width,), START, device=device)
    limit_B = limits(source_BS, search.longer)
    length = 0
    while len(going_B):
        length += 1
        log_p_RV = steps.next(newest_R).log_softmax(dim=-1, dtype=torch.float32)
        vocabulary = log_p_RV.shape[1]
        total_BX = (scores_BK.view(-1, 1) + log_p_RV).view(len(going_B), -1)  # X = K·V
        values_BN, places_BN = total_BX.topk(min(2 * width, total_BX.shape[1]), dim=1)  # N = 2K: K at least go on
        from_BN, token_BN = places_BN // vocabulary, places_BN % vocabulary
        ends_BN = token_BN == END

        ended_BK = ends_BN[:, :width] & (values_BN[:, :width] > -torch.inf)
        score_B, rank_B = values_BN[:, :width].masked_fill(~ended_BK, -torch.inf).max(dim=1)
        score_B = score_B / length_penalty(length, search.alpha)
        for i in (score_B > best_B).nonzero()[:, 0].tolist():
            found[int(going_B[i])] = tokens_BKL[i, from_BN[i, rank_B[i]]].tolist()
        best_B = torch.maximum(best_B, score_B)
        finished_B = finished_B + ended_BK.sum(dim=1)

        live_BK = ends_BN.sort(dim=1, stable=True).indices[:, :width]  # the likeliest that go on, in their order
        scores_BK = values_BN.gather(1, live_BK).masked_fill(ends_BN.gather(1, live_BK), -torch.inf)
        from_BK, token_BK = from_BN.gather(1, live_BK), token_BN.gather(1, live_BK)
        history_BKL = tokens_BKL.gather(1, from_BK[:, :, None].expand(-1, -1, tokens_BKL.shape[2]))
        tokens_BKL = torch.cat([history_BKL, token_BK[:, :, None]], dim=2)
        rows_BK = torch.arange(len(going_B), device=device)[:, None] * width + from_BK

        cut_B = (limit_B == length) & (best_B == -torch.inf)
        for i in cut_B.nonzero()[:, 0].tolist():
            found[int(going_B[i])] = tokens_BKL[i, 0].tolist()  # nothing has ended: the likeliest as it stands
        on_B = ((finished_B < width) & (limit_B > length)).nonzero()[:, 0]
        if len(on_B) < len(going_B):
            steps.keep(rows_BK[on_B].flatten())
            going_B, best_B, finished_B, limit_B = going_B[on_B], best_B[on_B], finished_B[on_B], limit_B[on_B]
            scores_BK, tokens_BKL = scores_BK[on_B], tokens_BKL[on_B]
        else:
            steps.reorder(rows_BK.flatten())
        newest_R = tokens_BKL[:, :, -1].flatten()
    return found


def translate(
    begin: Begin, tokenizer: Tokenizer, texts: Sequence[str], search: Search, *, rows: int, longest: int
) -> list[str]:
    """Texts to translations: by beam search, or greedily where the width is 1.

    A text is cut where its translation could be longer than `longest` tokens, for which the model has positions. At
    most `rows` hypotheses are searched side by side; that changes the time and not the translations. Raises ValueError
    where no position is left for a source.
    """
    if longest <= search.longer + 1:
        raise ValueError(f"longest is {longest} and longer {search.longer}: at least {search.longer + 2} are needed")
    coded = encode(tokenizer, texts, longest - search.longer)
    order = sorted(range(len(coded)), key=lambda i: len(coded[i]))
    translations = [""] * len(coded)
    at_once = max(1, rows // search.width)
    for first in range(0, len(order), at_once):
        part = order[first : first + at_once]
        source_BS = padded([coded[i] for i in part])
        greedily = search.width == 1
        found = greedy(begin, source_BS, search.longer) if greedily else beam_search(begin, source_BS, search)
        for i, tokens in zip(part, found, strict=True):
            translations[i] = tokenizer.decode(tokens)
    return translations
