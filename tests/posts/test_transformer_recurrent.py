"""The recurrent baseline, and how far gradients travel in both encoders."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from posts.transformer.decode import Search, beam_search, greedy
from posts.transformer.experiment import Config
from posts.transformer.model import END, PAD, START, Transformer
from posts.transformer.studies.paths import (
    by_distance,
    gradient_norms,
    recurrent_encoder,
    trained_alike,
    transformer_encoder,
)
from posts.transformer.studies.recurrent import Recurrent, RecurrentSteps, build, load
from posts.transformer.train import build as build_transformer
from posts.transformer.train import halved
from safetensors.torch import save_file
from torch import Tensor


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seed: int = 0) -> Recurrent:
    model = Recurrent(11, rng(seed), embedding=8, units=6, rate=0.0)
    with torch.no_grad():
        for weight in (
            model.logits_weight,
            model.readout.weight,
            model.start.weight,
            model.keys.weight,
            model.decoder.weight_ih_l0,
        ):
            weight.mul_(3)  # next tokens that differ much in probability, and with the source
    return model.eval()


SOURCE = torch.tensor([[5, 6, 7, END, PAD, PAD], [8, 9, 4, 5, 6, END]])
TARGET = torch.tensor([[START, 9, 4], [START, 7, 8]])


def test_kept_weights_are_loaded_as_they_were_and_only_into_their_own_model(tmp_path):
    config = Config(d_model=8, units=6)
    model = build(config, 11, rng(1))
    names, weights = zip(*model.named_parameters(), strict=True)
    save_file(halved(list(names), list(weights)), tmp_path / "last.safetensors")
    loaded = load(config, tmp_path / "last.safetensors").state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[name], weight.half().float()) for name, weight in model.state_dict().items())
    with pytest.raises(ValueError, match=r"last.safetensors does not hold the weights of the model"):
        load(Config(d_model=8, units=7), tmp_path / "last.safetensors")


def test_it_has_as_many_parameters_as_the_transformer():
    config = Config()
    sizes = [
        sum(p.numel() for p in make(config, config.vocabulary, rng()).parameters())
        for make in (build, build_transformer)
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.005)


def test_padding_changes_no_state():
    model = small().double()
    alone = model(SOURCE[:1, :4], TARGET[:1])
    torch.testing.assert_close(model(SOURCE, TARGET)[:1], alone, rtol=1e-12, atol=1e-12)


def test_later_target_tokens_change_no_earlier_state():
    model = small()
    states = model(SOURCE, TARGET)
    changed = model(SOURCE, torch.tensor([[START, 9, 10], [START, 7, 3]]))
    assert torch.equal(states[:, :2], changed[:, :2]) and not torch.allclose(states[:, 2], changed[:, 2])


def test_attention_is_bahdanaus():
    model = small().double()
    state, annotations = torch.randn(1, 6, dtype=torch.float64), torch.randn(1, 4, 12, dtype=torch.float64)
    keys = model.keys(annotations)
    energy = torch.stack([model.energy((model.query(state[0]) + keys[0, j]).tanh())[0] for j in range(4)])
    expected = sum(w * annotations[0, j] for j, w in enumerate(energy.softmax(dim=0)))
    torch.testing.assert_close(model.attend(state, keys, annotations, None)[0], expected)


def test_every_parameter_gets_a_gradient():
    model = small()
    model.logits(model(SOURCE, TARGET)).log_softmax(dim=-1)[:, :, 4].sum().backward()
    sizes = {name: 0.0 if p.grad is None else float(p.grad.abs().sum()) for name, p in model.named_parameters()}
    assert sizes.pop("energy.bias") < 1e-5  # it adds the same to all energies of a softmax
    assert min(sizes.values()) > 1e-3 * max(sizes.values())


def test_decoding_step_by_step_is_decoding_the_whole_prefix():
    def whole(model: Recurrent, row: Tensor) -> list[int]:
        source, tokens = row[row != PAD][None], [START]
        while len(tokens) <= source.shape[1] + 10 and tokens[-1] != END:
            tokens.append(int(model.logits(model(source, torch.tensor([tokens])))[0, -1].argmax()))
        return [token for token in tokens[1:] if token != END]

    found = {}
    for seed in (7, 21):
        model = small(seed)
        found[seed] = greedy(partial(RecurrentSteps, model), SOURCE, 10)
        with torch.no_grad():
            assert found[seed] == [whole(model, row) for row in SOURCE]
    assert max(map(len, found[7])) < 14 and found[7][0] != found[7][1]  # END comes before any limit
    assert min(len(set(tokens)) for tokens in found[21]) >= 5  # and what comes next depends on what was


def test_sentences_in_one_batch_do_not_touch_each_other():
    found = []
    for seed in range(6):
        model = small(seed)
        steps = partial(RecurrentSteps, model)
        found.append(beam_search(steps, SOURCE, Search(3, longer=10)))
        alone = [beam_search(steps, row[row != PAD][None], Search(3, longer=10))[0] for row in SOURCE]
        assert found[-1] == alone
    assert any(first != second for first, second in found)  # else the source might not matter at all


def test_gradient_norms_are_those_of_finite_differences():
    model = Transformer(9, rng(), layers=1, d_model=8, d_ff=8, heads=2, d_k=4, rate=0.0).double()
    torch.set_default_dtype(torch.float64)
    try:
        x = torch.randn(1, 3, 8, generator=rng(1))
        forward = transformer_encoder(model)
        norms = gradient_norms(forward, x, rng(2))
        directions = torch.randn((3, 8), generator=rng(2))
        directions = directions / directions.norm(dim=1, keepdim=True)
        for i, j in ((0, 2), (1, 1), (2, 0)):
            slopes = []
            for k in range(8):
                step = torch.zeros(1, 3, 8)
                step[0, j, k] = 1e-6
                change = (forward(x + step) - forward(x - step))[0, i] @ directions[i] / 2e-6
                slopes.append(float(change.detach()))
            assert float(norms[i, j]) == pytest.approx(torch.tensor(slopes).norm().item(), rel=1e-5)
    finally:
        torch.set_default_dtype(torch.float32)


def test_of_all_trainings_the_one_at_the_same_point_is_walked():
    points = [{"row": row, "seed": seed} for row in ("base", "heads-1") for seed in range(2)]
    inputs = [SimpleNamespace(keys=keys) for keys in points]
    for made in inputs:
        assert trained_alike(SimpleNamespace(keys=dict(made.keys), inputs=inputs)) is made  # pyright: ignore
    with pytest.raises(ValueError):
        trained_alike(SimpleNamespace(keys={"row": "layers-2", "seed": 0}, inputs=inputs))  # pyright: ignore


def test_shares_by_distance_are_means_over_pairs_and_then_over_sentences():
    short = torch.tensor([[9.0, 1.0, 0.5], [1.0, 9.0, 1.0], [0.3, 1.0, 9.0]])  # at distance 1: 1; at 2: 0.4
    assert by_distance([short], 2) == pytest.approx([1.0, 0.4])
    longer = torch.full((5, 5), 3.0)  # has more pairs and counts no more for it
    assert by_distance([short, longer], 2) == pytest.approx([1.0, (0.4 + 3) / (1 + 3)])


def test_a_recurrent_encoder_forgets_with_distance_and_attention_does_not():
    """At their initial weights: the paper's argument of section 4, in one inequality."""
    rows = []
    for make in (
        lambda: recurrent_encoder(Recurrent(9, rng(), embedding=32, units=32, rate=0.0)),
        lambda: transformer_encoder(Transformer(9, rng(), layers=2, d_model=32, d_ff=32, heads=2, d_k=16, rate=0.0)),
    ):
        forward = make()
        rows.append(by_distance([gradient_norms(forward, torch.randn(1, 20, 32), rng(i)) for i in range(5)], 15))
    recurrent, attention = rows
    assert recurrent[14] < 0.1 and attention[14] > 0.5  # of what it is at distance 1
