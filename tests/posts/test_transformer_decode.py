"""Decoding: what the cache, the greedy choice and the beam may and may not change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from posts.transformer.captions import captions
from posts.transformer.data import train_subwords
from posts.transformer.decode import Begin, Search, beam_search, greedy, steps_of, translate
from posts.transformer.model import END, PAD, START, Past, Transformer, causal_mask
from torch import Tensor

LONGER = 50


def small(vocabulary: int = 11, seed: int = 0, sharpness: float = 6.0) -> Transformer:
    """A random model whose next tokens differ much in probability, so that a wrong prefix shows."""
    rng = torch.Generator().manual_seed(seed)
    model = Transformer(vocabulary, rng, layers=2, d_model=16, d_ff=24, heads=2, d_k=8, tied=False)
    with torch.no_grad():
        model.logits_weight.mul_(sharpness)
    return model.eval()


def sources(vocabulary: int, lengths: list[int]) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    rows = torch.full((len(lengths), max(lengths)), PAD)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = torch.randint(4, vocabulary, (length,), generator=rng)
        row[length - 1] = END
    return rows


def greedy_without_cache(model: Transformer, source_1S: Tensor) -> list[int]:
    """The whole prefix anew at each step."""
    tokens = [START]
    for _ in range(source_1S.shape[1] + LONGER):
        tokens.append(int(model.logits(model(source_1S, torch.tensor([tokens]))[0, -1]).argmax()))
        if tokens[-1] == END:
            return tokens[1:-1]
    return tokens[1:]


@pytest.mark.parametrize("seed", range(3))
def test_incremental_decoding_equals_full_decoding_token_for_token(seed: int):
    model, source = small(seed=seed), sources(11, [3, 7, 5, 6])
    alone = [greedy_without_cache(model, row[row != PAD][None]) for row in source]
    assert greedy(steps_of(model), source, LONGER) == alone
    assert len({tuple(row) for row in alone}) > 1  # else any constant would do


def test_cached_states_are_those_of_the_whole_prefix():
    model, source = small().double(), sources(11, [4, 6])
    target = sources(11, [5, 5])
    memory, mask = model.encode(source)
    memories, pasts = model.memories(memory), [Past(), Past()]
    stepwise = [model.decode(target[:, [t]], memories, mask, pasts=pasts, first=t) for t in range(5)]
    torch.testing.assert_close(torch.cat(stepwise, dim=1), model.decode(target, memories, mask))


class Changed:
    """Steps whose logit of END is another: `change` of what it was."""

    def __init__(self, inner: Any, change: Callable[[Tensor], Tensor]):
        self.inner, self.change = inner, change

    def next(self, tokens: Tensor) -> Tensor:
        logits = self.inner.next(tokens)
        logits[:, END] = self.change(logits[:, END])
        return logits

    def __getattr__(self, name: str):
        return getattr(self.inner, name)


def changed(model: Transformer, change: Callable[[Tensor], Tensor]) -> Begin:
    return lambda source, hypotheses: Changed(steps_of(model)(source, hypotheses), change)


def test_a_beam_of_one_is_greedy():
    lengths = set()
    for seed in range(4):
        model, source = small(seed=seed), sources(11, [3, 7, 5])
        begin = changed(model, lambda logits: logits + 6)  # so that some end before they have to
        found = greedy(begin, source, LONGER)
        assert beam_search(begin, source, Search(1)) == found
        lengths |= {len(row) for row in found}
    assert len(lengths) > 3 and min(lengths) < 10


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 20.0])
def test_a_beam_that_holds_everything_finds_what_brute_force_finds(alpha: float):
    vocabulary = 6  # and two source tokens: of one more, three target tokens, there are few enough to try all
    lengths, elsewhere = [], 0
    for seed in range(12):
        model, source = small(vocabulary, seed, sharpness=4.0), sources(vocabulary, [2])
        every = likelihoods(model, source, [token for token in range(vocabulary) if token != END])
        best = max(every, key=lambda prefix: every[prefix] / (len(prefix) + 1) ** alpha)
        without_end = max(every, key=lambda prefix: every[prefix] / max(1, len(prefix)) ** alpha)
        assert beam_search(steps_of(model), source, Search(vocabulary**2, alpha, longer=1)) == [list(best)]
        lengths.append(len(best))
        elsewhere += best != without_end
    if alpha == 20.0:  # the control: so heavy a penalty lets the longest win
        assert set(lengths) == {2}
    elif alpha > 0:  # the control: END counts, and another count would have chosen otherwise
        assert set(lengths) == {0, 1, 2} and elsewhere


@torch.no_grad()
def likelihoods(model: Transformer, source: Tensor, words: list[int]) -> dict[tuple[int, ...], float]:
    """Every translation of up to two tokens, and its log-probability with END."""
    found = {}
    for prefix in (prefix for length in range(3) for prefix in product(words, repeat=length)):
        log_p = model.logits(model(source, torch.tensor([[START, *prefix]]))).log_softmax(dim=-1)[0]
        found[prefix] = sum(float(log_p[t, token]) for t, token in enumerate([*prefix, END]))
    return found


def test_a_sentence_is_done_when_as_many_hypotheses_have_ended_as_the_beam_is_wide():
    a, b = 4, 5
    probabilities = [{END: 0.3, a: 0.5, b: 0.2}, {END: 0.4, a: 0.35, b: 0.25}, {END: 0.9, a: 0.05, b: 0.05}]

    class Table:
        """The same probabilities for each hypothesis, step by step."""

        def __init__(self, source: Tensor, hypotheses: int):
            self.step = 0

        def next(self, tokens: Tensor) -> Tensor:
            row = torch.full((6,), 1e-9)
            for token, probability in probabilities[min(self.step, 2)].items():
                row[token] = probability
            self.step += 1
            return row.log().expand(len(tokens), -1)

        def reorder(self, rows: Tensor) -> None: ...

        keep = reorder

    longest_wins = 20.0
    assert beam_search(Table, sources(11, [3]), Search(2, longest_wins)) == [[a]]  # after [] and [a]
    assert len(beam_search(Table, sources(11, [3]), Search(3, longest_wins))[0]) > 1  # a third was awaited


def test_sentences_in_one_batch_do_not_touch_each_other():
    model, source = small(seed=5), sources(11, [3, 7, 5, 6, 2])
    begin = changed(model, lambda logits: logits + 6)
    together = beam_search(begin, source, Search(3))
    assert together == [beam_search(begin, row[row != PAD][None], Search(3))[0] for row in source]
    assert len({len(row) for row in together}) > 2 and min(map(len, together)) < 10  # they end, and not together


def test_a_wider_beam_finds_hypotheses_that_are_at_least_as_likely():
    model, source = small(seed=2), sources(11, [4, 6, 5])

    def log_p(row: Tensor, tokens: list[int]) -> float:
        log_p = model.logits(model(row[row != PAD][None], torch.tensor([[START, *tokens]]))).log_softmax(dim=-1)[0]
        return sum(float(log_p[t, token]) for t, token in enumerate([*tokens, END]))

    with torch.no_grad():
        wide = beam_search(steps_of(model), source, Search(8, 0.0))
        narrow = greedy(steps_of(model), source, LONGER)
        gains = [log_p(row, w) - log_p(row, n) for row, w, n in zip(source, wide, narrow, strict=True)]
    assert min(gains) > -1e-4 and max(gains) > 0.01


def test_what_never_ends_is_cut_and_returned_as_it_stands():
    source = sources(11, [3])
    endless = changed(small(seed=1), lambda logits: torch.full_like(logits, -torch.inf))
    assert [len(row) for row in beam_search(endless, source, Search(2))] == [3 + LONGER]
    assert [len(row) for row in greedy(endless, source, LONGER)] == [3 + LONGER]


def test_the_future_is_masked_and_the_present_is_not():
    assert causal_mask(3, torch.zeros(1)).isinf().tolist() == [[False, True, True], [False, False, True], [False] * 3]


def test_a_text_longer_than_the_table_of_positions_is_cut_and_translated():
    tokenizer = train_subwords([side for pair in captions() for side in pair], 150)
    rng = torch.Generator().manual_seed(0)
    model = Transformer(150, rng, layers=1, d_model=8, d_ff=8, heads=1, d_k=8, tied=False, longest=40)
    texts = ["A man is standing. " * 30, "A man.", "A woman."]
    search = Search(2, longer=10)
    found = translate(steps_of(model), tokenizer, texts, search, rows=4, longest=40)
    alone = [translate(steps_of(model), tokenizer, [text], search, rows=4, longest=40)[0] for text in texts]
    assert found == alone and len(found[0]) > 0
    with pytest.raises(ValueError, match="longest is 40 and longer 39: at least 41 are needed"):
        translate(steps_of(model), tokenizer, texts, Search(2, longer=39), rows=4, longest=40)
