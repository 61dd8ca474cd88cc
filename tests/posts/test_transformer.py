"""The Transformer and its training, against independent references."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lockstep.errors import RunFailed
from posts.transformer.captions import captions, made_captions
from posts.transformer.data import Pairs, encode, epoch, sentences, stream, train_subwords
from posts.transformer.decode import greedy, steps_of
from posts.transformer.experiment import Config
from posts.transformer.model import (
    PAD,
    DecoderLayer,
    EncoderLayer,
    Transformer,
    attention_weights,
    causal_mask,
    dropout,
    padding_mask,
    sinusoids,
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
from torch import Tensor, nn

WIDTH, HEADS, D_K, INNER = 16, 4, 4, 24


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(vocabulary: int = 12, **settings) -> Transformer:
    sizes = {"layers": 2, "d_model": WIDTH, "d_ff": INNER, "heads": HEADS, "d_k": D_K, "rate": 0.0}
    return Transformer(vocabulary, rng(), **{**sizes, **settings})


# --- parity with torch's layers, in float64 ---------------------------------------------------------------------


ENCODER = {
    "self_attn.in_proj_": "attention.project.",
    "self_attn.out_proj.": "attention.output.",
    "linear1.": "feed_forward.inner.",
    "linear2.": "feed_forward.outer.",
    "norm1.": "add_attention.norm.",
    "norm2.": "add_feed_forward.norm.",
}
DECODER = ENCODER | {
    "multihead_attn.out_proj.": "cross.output.",
    "norm2.": "add_cross.norm.",
    "norm3.": "add_feed_forward.norm.",
}


def translated(ours: nn.Module, names: dict[str, str], of) -> dict[str, Tensor]:
    """What `of` says of each of our parameters, under the names and in the shapes of torch's layer."""
    found = {}
    mine = dict(ours.named_parameters())
    for theirs, name in names.items():
        for part in ("weight", "bias"):
            found[theirs + part] = of(mine[name + part])
    if isinstance(ours, DecoderLayer):
        for part in ("weight", "bias"):
            pair = [of(mine[f"cross.queries.{part}"]), of(mine[f"cross.memory.{part}"])]
            found[f"multihead_attn.in_proj_{part}"] = torch.cat(pair)
    return found


def randomised(layer: nn.Module) -> nn.Module:
    """Every parameter away from its initial zeros and ones, so that each of them matters."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=rng(parameter.numel()), dtype=torch.float64)
    return layer


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Source tokens with padding, source vectors, target vectors."""
    tokens_BS = torch.full((3, 7), 5)
    tokens_BS[0, 5:] = tokens_BS[2, 3:] = PAD
    x_BSD = torch.randn(3, 7, WIDTH, generator=rng(1), dtype=torch.float64)
    return tokens_BS, x_BSD, torch.randn(3, 5, WIDTH, generator=rng(2), dtype=torch.float64)


def encoders() -> tuple[nn.Module, nn.Module, dict[str, str], Tensor, Tensor]:
    tokens_BS, x_BSD, _ = inputs()
    ours = randomised(EncoderLayer(WIDTH, HEADS, D_K, INNER, 0.0, rng()))
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0.0, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(translated(ours, ENCODER, lambda p: p.detach().clone()))
    mask = padding_mask(tokens_BS, x_BSD.dtype)
    return ours, theirs, ENCODER, ours(x_BSD, mask), theirs(x_BSD, src_key_padding_mask=tokens_BS == PAD)


def decoders() -> tuple[nn.Module, nn.Module, dict[str, str], Tensor, Tensor]:
    tokens_BS, x_BSD, y_BTD = inputs()
    ours = randomised(DecoderLayer(WIDTH, HEADS, D_K, INNER, 0.0, rng()))
    theirs = nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, 0.0, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(translated(ours, DECODER, lambda p: p.detach().clone()))
    memory = ours.cross.keys_and_values(x_BSD)  # pyright: ignore
    mine = ours(y_BTD, memory, padding_mask(tokens_BS, x_BSD.dtype), causal_mask(5, y_BTD))
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    return ours, theirs, DECODER, mine, theirs(y_BTD, x_BSD, tgt_mask=later, memory_key_padding_mask=tokens_BS == PAD)


@pytest.mark.parametrize("make", [encoders, decoders])
def test_layers_agree_with_torch_in_output_gradients_and_the_weights_after_a_step(make):
    ours, theirs, names, mine, reference = make()
    real = slice(None) if mine.shape[1] == 5 else inputs()[0] != PAD  # what stands at padding is nobody's concern
    torch.testing.assert_close(mine[real], reference[real], rtol=1e-12, atol=1e-12)
    for output in (mine, reference):
        output[real].pow(3).sum().backward()
    torch.testing.assert_close(
        translated(ours, names, lambda p: p.grad),
        {n: p.grad for n, p in theirs.named_parameters()},
        rtol=1e-9,
        atol=1e-12,
    )
    for layer in (ours, theirs):
        torch.optim.SGD(layer.parameters(), lr=0.1).step()
    torch.testing.assert_close(
        translated(ours, names, lambda p: p.detach()), dict(theirs.state_dict()), rtol=1e-9, atol=1e-9
    )


def test_attention_is_equation_1_and_the_fused_kernel_computes_the_same():
    q, k, v = (torch.randn(2, 3, 5, 4, generator=rng(i), dtype=torch.float64) for i in range(3))
    mask = causal_mask(5, q)
    ours = attention_weights(q, k, mask) @ v
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, v, is_causal=True))
    by_hand = torch.zeros_like(ours)
    for b, h, i in ((b, h, i) for b in range(2) for h in range(3) for i in range(5)):
        e = [math.exp(float(q[b, h, i] @ k[b, h, j]) / 2) for j in range(i + 1)]
        by_hand[b, h, i] = sum((w / sum(e) * v[b, h, j] for j, w in enumerate(e)), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(ours, by_hand)


# --- what may depend on what ------------------------------------------------------------------------------------


def test_future_positions_get_exactly_zero_gradient_and_the_present_does_not():
    model = tiny().double()
    source, x_BTD = torch.tensor([[5, 6, 7]]), torch.randn(1, 6, WIDTH, generator=rng(4), dtype=torch.float64)
    x_BTD.requires_grad_()
    memory, mask = model.encode(source)
    states, causal = x_BTD, causal_mask(6, x_BTD)
    for layer, pair in zip(model.decoder, model.memories(memory), strict=True):
        states = layer(states, pair, mask, causal)
    for t in range(6):
        (gradient,) = torch.autograd.grad(states[0, t].pow(3).sum(), x_BTD, retain_graph=True)
        per_position = gradient[0].abs().sum(dim=-1)
        assert (per_position[t + 1 :] == 0).all() and (per_position[: t + 1] > 0).all()


def test_padding_changes_no_state_of_a_real_position():
    model = tiny(tied=False, positions="learned").double()
    source, target = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 9, 4]])
    wide = torch.cat([source, torch.full((1, 3), PAD)], dim=1)
    longer = torch.cat([target, torch.full((1, 2), PAD)], dim=1)
    torch.testing.assert_close(model(wide, longer)[:, :3], model(source, target), rtol=1e-12, atol=1e-12)
    other = torch.cat([source, torch.full((1, 3), 9)], dim=1)  # the control: words in that place do change it
    assert not torch.allclose(model(other, longer)[:, :3], model(source, target))


def test_the_order_of_words_matters_only_through_positions():
    model = tiny().double()
    source = torch.tensor([[5, 6, 7, 8]])
    turned, _ = model.encode(source.flip(1))
    straight, _ = model.encode(source)
    assert not torch.allclose(turned.flip(1), straight)
    model.source.positions.table.zero_()
    assert torch.allclose(model.encode(source.flip(1))[0].flip(1), model.encode(source)[0])


def test_sinusoids_are_those_of_section_3_5():
    table = sinusoids(50, 8)
    for position, i in ((0, 0), (3, 1), (49, 3)):
        angle = position / 10_000 ** (2 * i / 8)
        assert table[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[position, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-5)


# --- size -------------------------------------------------------------------------------------------------------


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_base_configuration_has_the_parameters_that_its_sizes_make():
    """63.08 million with a vocabulary of 37,000. The paper says 65 million and "about" 37,000."""
    d, ff, vocabulary = 512, 2048, 37_000
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * ff + ff + d, 2 * d
    layers = 6 * (attention + feed_forward + 2 * norm) + 6 * (2 * attention + feed_forward + 3 * norm)
    model = Transformer(vocabulary, rng())
    assert size(model) == vocabulary * d + layers == 63_082_496
    assert round(size(model) / 65e6, 2) == 0.97


def test_untied_embeddings_add_two_vocabularies_and_learned_positions_two_tables():
    assert size(tiny(tied=False)) - size(tiny()) == 2 * 12 * WIDTH
    assert size(tiny(positions="learned", longest=9)) - size(tiny()) == 2 * 9 * WIDTH


@pytest.mark.parametrize("settings", [{}, {"tied": False, "positions": "learned"}])
def test_every_parameter_gets_a_gradient(settings):
    model = tiny(**settings)
    model(torch.tensor([[5, 6, 7]]), torch.tensor([[1, 8, 9]])).pow(3).sum().backward()
    model.logits(torch.randn(1, WIDTH)).pow(2).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


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
SMALL = replace(SMALL, updates=12, warmup=4, averaged=2, average_every=2, keep_every=4, report_every=4)


class FakeRun:
    """The made captions and a directory; `stop_after` interrupts the training after that update."""

    def __init__(self, directory, seed=0, stop_after=None, config=SMALL):
        self.config, self.seed, self.directory, self.stop_after = config, seed, directory, stop_after
        self.rows = []

    def data(self, name):
        assert name == "captions"
        return made_captions.load()

    def resume(self):
        path = self.directory / "checkpoint"
        return path if path.exists() else None

    @contextmanager
    def checkpoint(self):
        yield self.directory / "checkpoint"

    def artefact(self, name):
        return self.directory / name

    def progress(self, done, total, **metrics):
        if done == self.stop_after:
            raise KeyboardInterrupt

    def write_csv(self, name, rows):
        self.rows = rows

    def fail(self, reason):
        raise RunFailed(reason)


def trained(directory, **how) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    directory.mkdir(exist_ok=True)
    (row,) = fit(FakeRun(directory, **how))  # pyright: ignore
    kept = load_file(directory / "averaged.safetensors")
    return kept | {f"{name} last": t for name, t in load_file(directory / "last.safetensors").items()}, row


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_trains_the_same_model_and_another_seed_another(tmp_path):
    first, row = trained(tmp_path / "a")
    again, same = trained(tmp_path / "b")
    assert equal(first, again) and row == same
    assert not equal(first, trained(tmp_path / "c", seed=1)[0])


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    whole, row = trained(tmp_path / "whole")
    for stop in (4, 8):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "parts", stop_after=stop)
    parts, resumed = trained(tmp_path / "parts")
    assert equal(whole, parts) and row == resumed


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="update 4 ends with losses"):
        trained(tmp_path / "x", config=replace(SMALL, peak_rate=1e30, precision="fp32"))


def test_the_settings_describe_the_model():
    config = replace(SMALL, layers=3, tied=False, positions="learned")
    model = build(config, 50, rng())
    assert len(model.encoder) == len(model.decoder) == 3 and isinstance(model.source.positions.table, nn.Parameter)
    with pytest.raises(ValueError, match='"sinusoidal" or "learned", not "rotary"'):
        build(replace(config, positions="rotary"), 50, rng())
