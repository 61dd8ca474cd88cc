"""The Transformer's loss, updates, data and training run, against independent references."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from fakerun import FakeRun
from lockstep.errors import RunFailed
from posts.transformer.captions import captions, made_captions
from posts.transformer.data import Pairs, encode, epoch, sentences, stream, train_subwords
from posts.transformer.decode import greedy, steps_of
from posts.transformer.experiment import Config
from posts.transformer.model import (
    PAD,
    dropout,
)
from posts.transformer.train import (
    ROWS_AT_ONCE,
    ChunkedLoss,
    MasterAdam,
    RunningMean,
    batch_loss,
    build,
    fit,
    learning_rate,
    mean_loss,
    smoothed_loss,
)
from safetensors.torch import load_file
from tinymodel import rng, tiny
from torch import Tensor, nn

# --- loss, schedule, updates ------------------------------------------------------------------------------------


def test_label_smoothing_is_torchs():
    logits, target = torch.randn(20, 7, generator=rng()), torch.randint(7, (20,), generator=rng())
    for smoothing in (0.0, 0.1, 0.5):
        expected = F.cross_entropy(logits, target, label_smoothing=smoothing)
        torch.testing.assert_close(smoothed_loss(logits, target, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_in_chunks_is_the_loss_with_its_gradients(smoothing: float):
    rows = 2 * ROWS_AT_ONCE + 3  # two whole chunks and the beginning of a third
    states = torch.randn(rows, 5, generator=rng(), dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 5, generator=rng(1), dtype=torch.float64, requires_grad=True)
    target = torch.randint(7, (rows,), generator=rng(2))
    whole = smoothed_loss(states @ weight.T, target, smoothing).double()
    chunked = ChunkedLoss.apply(states, weight, target, smoothing)
    torch.testing.assert_close(chunked, whole, rtol=1e-6, atol=0)  # the whole one sums in float32
    expected = torch.autograd.grad(
        F.cross_entropy(states @ weight.T, target, label_smoothing=smoothing), (states, weight)
    )
    for found, gradient in zip(torch.autograd.grad(3 * chunked, (states, weight)), expected, strict=True):
        torch.testing.assert_close(found, 3 * gradient, rtol=1e-10, atol=1e-14)


def test_the_schedule_peaks_at_the_end_of_warm_up():
    rates = [learning_rate(0.005, 200, update) for update in range(1, 2001)]
    assert max(rates) == rates[199] == 0.005
    assert rates[:200] == sorted(rates[:200]) and rates[199:] == sorted(rates[199:], reverse=True)
    paper = [512**-0.5 * min(n**-0.5, n * 4000**-1.5) for n in (1, 4000, 100_000)]
    assert [learning_rate((512 * 4000) ** -0.5, 4000, n) for n in (1, 4000, 100_000)] == pytest.approx(paper)


def test_dropout_keeps_the_mean_and_drops_the_share_it_says():
    x = torch.ones(200_000)
    y = dropout(x, 0.3, rng())
    assert float((y == 0).float().mean()) == pytest.approx(77 / 256, abs=0.005)
    assert float(y.mean()) == pytest.approx(1, abs=0.01)
    assert len(y.unique()) == 2 and dropout(x, 0.3, None) is x and dropout(x, 0.0, rng()) is x
    assert not torch.equal(y, dropout(x, 0.3, rng(1)))


def test_logits_at_real_positions_give_the_loss_of_all_positions_masked():
    model, pairs = tiny(), copying(8)
    batch = pairs.batch(range(8))
    logits = model.logits(model(batch.source, batch.shifted)).flatten(0, 1)
    expected = F.cross_entropy(logits, batch.target.flatten(), ignore_index=PAD, label_smoothing=0.1)
    torch.testing.assert_close(batch_loss(model, batch, 0.1), expected)


def test_masters_take_steps_that_bfloat16_would_lose():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    adam = MasterAdam(model, "bf16", (0.9, 0.98), 1e-9)
    for _ in range(10):
        adam.step(model(torch.ones(1, 1, dtype=torch.bfloat16)).sum(), 1e-4)
    assert float(adam.masters[0]) == pytest.approx(1 - 10e-4, abs=1e-5)


def test_the_averaged_checkpoint_is_the_mean_of_the_weights():
    weights = [[torch.randn(3, 2, generator=rng(i)), torch.randn(5, generator=rng(i + 9))] for i in range(4)]
    average = RunningMean(weights[0])
    for at in weights:
        average.add(at)
    for i, mean in enumerate(average.mean()):
        torch.testing.assert_close(mean, torch.stack([at[i] for at in weights]).mean(dim=0))


# --- tasks whose answer is known --------------------------------------------------------------------------------


def copying(count: int, *, reverse: bool = False, seed: int = 0) -> Pairs:
    draw = rng(seed)
    rows = [torch.randint(4, 12, (int(torch.randint(2, 7, (), generator=draw)),), generator=draw) for _ in range(count)]
    turned = [row.flip(0) if reverse else row for row in rows]
    return Pairs([[*row.tolist(), 2] for row in rows], [[*row.tolist(), 2] for row in turned])


@pytest.mark.parametrize("reverse", [False, True])
def test_copying_and_reversing_are_learned(reverse: bool):
    model, pairs = tiny(d_model=32, d_k=8, d_ff=64), copying(2000, reverse=reverse)
    unseen = copying(50, reverse=reverse, seed=7)
    before = greedy(steps_of(model), unseen.batch(range(50)).source, 5)
    adam = MasterAdam(model, "fp32", (0.9, 0.98), 1e-9)
    batches = stream(pairs, 300, 0, 0, 0)
    for update in range(1, 501):
        adam.step(batch_loss(model, next(batches)[2], 0.0), learning_rate(5e-3, 50, update))
    found = greedy(steps_of(model), unseen.batch(range(50)).source, 5)
    right = [row[:-1] for row in unseen.target]
    assert sum(a == b for a, b in zip(found, right, strict=True)) >= 48
    assert sum(a == b for a, b in zip(before, right, strict=True)) <= 2


def test_one_batch_is_learned_by_heart():
    model = tiny(d_model=32, d_k=8)
    batch = copying(4).batch(range(4))
    adam = MasterAdam(model, "bf16", (0.9, 0.98), 1e-9)
    first = mean_loss(model, [batch])
    for _ in range(150):
        adam.step(batch_loss(model, batch, 0.0), 5e-3)
    assert mean_loss(model, [batch]) < 0.05 < 1 < first


# --- data -------------------------------------------------------------------------------------------------------


def test_subwords_give_the_text_back():
    texts = [side for pair in captions() for side in pair]
    tokenizer = train_subwords(texts, 150)
    assert [tokenizer.decode(row) for row in encode(tokenizer, texts, 64)] == texts
    assert tokenizer.encode("Straße.").tokens[-1] == "."  # punctuation is never glued to a word
    assert train_subwords(texts, 150).to_str() == tokenizer.to_str()


def test_batches_hold_every_pair_once_within_the_token_budget():
    draw = rng()
    lengths = torch.randint(1, 30, (500, 2), generator=draw).tolist()
    pairs = Pairs([[5] * a for a, _ in lengths], [[6] * b for _, b in lengths])
    batches = epoch(pairs, 200, seed=1, number=0)
    assert sorted(i for batch in batches for i in batch) == list(range(500))
    assert max(len(batch) * max(max(lengths[i]) for i in batch) for batch in batches) <= 200
    assert epoch(pairs, 200, 1, 0) == batches != epoch(pairs, 200, 1, 1)
    padded = sum(pairs.batch(batch).source.numel() for batch in batches)
    assert sum(a for a, _ in lengths) / padded > 0.95  # like lengths go together


def test_a_stream_goes_on_where_it_stopped():
    pairs = copying(60)
    whole = stream(pairs, 100, 3, 0, 0)
    seen = [next(whole) for _ in range(20)]
    number, position, _ = seen[11]
    again = stream(pairs, 100, 3, number, position)
    for was, (epoch_number, place, batch) in zip(seen[12:], again, strict=False):
        assert (was[0], was[1]) == (epoch_number, place) and torch.equal(was[2].source, batch.source)
    assert seen[-1][0] > 0  # more than one epoch


def test_the_made_captions_agree_in_number_and_are_all_different():
    pairs = captions()
    assert len(set(pairs)) == len(pairs) == 180
    assert all((" are " in en) == en.startswith("Two") == de.startswith("Zwei") for en, de in pairs)
    arrays = made_captions.load()
    assert not set(sentences(arrays, "train_en")) & set(sentences(arrays, "test_2016_flickr_en"))


# --- the training run -------------------------------------------------------------------------------------------

SMALL = replace(Config(), vocabulary=120, layers=1, d_model=16, d_ff=16, heads=2, d_k=8, batch_tokens=400)
SMALL = replace(SMALL, updates=12, warmup=4, averaged=4, average_every=2, keep_every=2, report_every=4)


def faked(directory, config=SMALL, **options) -> FakeRun:
    return FakeRun(directory, config, made_captions.load(), **options)


RUNS: list[FakeRun] = []  # of this module, in order


def trained(directory, **how) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    directory.mkdir(exist_ok=True)
    RUNS.append(faked(directory, **how))
    (row,) = fit(RUNS[-1])  # pyright: ignore
    kept = load_file(directory / "averaged.safetensors")
    return kept | {f"{name} last": t for name, t in load_file(directory / "last.safetensors").items()}, row


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_trains_the_same_model_and_another_seed_another(tmp_path):
    first, row = trained(tmp_path / "a")
    again, same = trained(tmp_path / "b")
    assert equal(first, again) and row == same
    assert not equal(first, trained(tmp_path / "c", seed=1)[0])


def test_what_is_kept_as_averaged_is_the_mean_of_the_last_checkpoints(tmp_path):
    trained(tmp_path / "run")
    kept = [load_file(tmp_path / "run" / f"weights-{update}.safetensors") for update in (6, 8, 10, 12)]
    averaged, last = (load_file(tmp_path / "run" / f"{name}.safetensors") for name in ("averaged", "last"))
    mean = {name: torch.stack([weights[name].float() for weights in kept]).mean(dim=0) for name in last}
    half = {"rtol": 2e-3, "atol": 1e-4}  # each of them was rounded to float16
    torch.testing.assert_close({name: tensor.float() for name, tensor in averaged.items()}, mean, **half)
    assert equal(last, kept[-1])
    for other in (kept[-1], {name: torch.stack([w[name].float() for w in kept[1:]]).mean(dim=0) for name in last}):
        with pytest.raises(AssertionError):  # neither the last one, nor the mean of one less
            torch.testing.assert_close({name: tensor.float() for name, tensor in other.items()}, mean, **half)


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    whole, row = trained(tmp_path / "whole")
    for stop in (4, 8):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "parts", stop_after=stop)
    assert load_file(tmp_path / "parts" / "checkpoint")["place"].tolist()[-1] == 2  # in the midst of what is averaged
    parts, resumed = trained(tmp_path / "parts")
    assert equal(whole, parts) and row == resumed
    curve, *_, again = (run.tables.get("curve.csv") for run in RUNS[-4:])
    assert repr(curve) == repr(again), "an output of the same bytes"


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="update 4 ends with losses"):
        trained(tmp_path / "x", config=replace(SMALL, peak_rate=1e30, precision="fp32"))


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"averaged": 0}, "averaged is 0 and average_every 2"),
        ({"average_every": 4}, "the last 4 checkpoints do not lie within 12 updates"),
        ({"dropout": 1.0}, "dropout is 1.0: expected a share from 0 to below 1"),
    ],
)
def test_settings_that_cannot_be_trained_with_fail_before_the_first_update(tmp_path, changed, message):
    with pytest.raises(RunFailed, match=message):
        trained(tmp_path / "x", config=replace(SMALL, **changed))
    assert not list((tmp_path / "x").glob("*.safetensors"))


def test_the_settings_describe_the_model():
    config = replace(SMALL, layers=3, tied=False, positions="learned")
    model = build(config, 50, rng())
    assert len(model.encoder) == len(model.decoder) == 3 and isinstance(model.source.positions.table, nn.Parameter)
    with pytest.raises(ValueError, match='"sinusoidal" or "learned", not "rotary"'):
        build(replace(config, positions="rotary"), 50, rng())
