"""The benchmark compares like with like: other libraries, given our weights, compute what our model computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from posts.transformer.data import SPECIAL, Batch
from posts.transformer.model import END, PAD, START, Transformer
from posts.transformer.speed.peers import (
    Shape,
    TorchTransformer,
    ctranslate2_model,
    marian,
    torch_as_it_comes,
    torch_as_ours,
)
from posts.transformer.train import batch_loss
from torch import Tensor

VOCABULARY = 23
SOURCE = torch.tensor([[5, 6, 7, 8, END], [9, 4, END, PAD, PAD], [12, 22, 13, END, PAD]])
TARGET = torch.tensor([[10, 11, END, PAD], [4, 5, 6, END], [21, END, PAD, PAD]])
SHIFTED = torch.cat([torch.full((3, 1), START), TARGET[:, :-1]], dim=1)
REAL = TARGET != PAD


def random(**settings) -> Transformer:
    """Every parameter away from its initial zeros and ones, so that each of them matters."""
    sizes = {"layers": 2, "d_model": 16, "d_ff": 24, "heads": 4, "d_k": 4, "rate": 0.0, "longest": 32}
    rng = torch.Generator().manual_seed(1)
    model = Transformer(VOCABULARY, rng, **{**sizes, **settings})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=rng)
    return model.eval()


def log_p(logits: Tensor) -> Tensor:
    return logits.log_softmax(dim=-1)[REAL]


@torch.no_grad()
def ours(model: Transformer) -> Tensor:
    return log_p(model.logits(model(SOURCE, SHIFTED)))


@torch.no_grad()
def theirs(model: Transformer) -> Tensor:
    peer: Any = marian(model)
    return log_p(peer(input_ids=SOURCE, attention_mask=(SOURCE != PAD).long(), decoder_input_ids=SHIFTED).logits)


def test_marian_with_our_weights_gives_our_log_probabilities():
    model = random()
    torch.testing.assert_close(theirs(model), ours(model), rtol=1e-4, atol=1e-5)


def test_marian_needs_the_columns_in_its_own_order():
    model = random()
    peer: Any = marian(model)
    with torch.no_grad():
        peer.model.shared.weight.copy_(model.logits_weight)  # as they stand in our model
        found = peer(input_ids=SOURCE, attention_mask=(SOURCE != PAD).long(), decoder_input_ids=SHIFTED).logits
    assert (log_p(found) - ours(model)).abs().max() > 0.1


def test_ctranslate2_with_our_weights_gives_our_log_probabilities(tmp_path):
    model = random()
    names = [*SPECIAL, *(f"word{i}" for i in range(4, VOCABULARY))]
    translator = ctranslate2_model(model, names, tmp_path)
    source = [[names[token] for token in row if token != PAD] for row in SOURCE.tolist()]
    target = [[names[token] for token in row if token not in (PAD, END)] for row in TARGET.tolist()]
    scored = translator.score_batch(source, target)  # pyright: ignore
    found = torch.tensor([value for result in scored for value in result.log_probs])
    torch.testing.assert_close(found, ours(model).gather(1, TARGET[REAL][:, None])[:, 0], rtol=1e-4, atol=1e-5)


def test_torch_with_our_weights_gives_our_loss_and_gradients():
    model = random().double()
    peer = TorchTransformer(model, torch_as_ours(Shape.of(model)).double()).train()
    batch = Batch(SOURCE, SHIFTED, TARGET)
    losses = batch_loss(model, batch, 0.1), batch_loss(peer, batch, 0.1)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-12, atol=1e-12)
    mine, others = (
        torch.autograd.grad(loss, list(m.parameters())) for loss, m in zip(losses, (model, peer), strict=True)
    )
    norms = [torch.stack([g.norm() for g in found]).norm() for found in (mine, others)]
    torch.testing.assert_close(norms[1], norms[0], rtol=1e-10, atol=0)
    torch.testing.assert_close(others[0], mine[0], rtol=1e-9, atol=1e-12)  # of the embeddings, which all else feeds


def test_torch_drops_only_what_we_drop_or_as_much_as_it_comes_with():
    model = random(rate=0.5)
    shape = Shape.of(model)
    dropping = {}
    for make in (torch_as_ours, torch_as_it_comes):
        layer: Any = make(shape).decoder.layers[0]
        attentions = layer.self_attn.dropout, layer.multihead_attn.dropout
        sums = [getattr(layer, name).p for name in ("dropout1", "dropout2", "dropout3")]
        dropping[make] = (*attentions, layer.dropout.p, *sums)
    assert dropping == {torch_as_ours: (0, 0, 0, 0.5, 0.5, 0.5), torch_as_it_comes: (0.5,) * 6}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"d_k": 3}, "4 heads of d_k 3 do not make d_model 16: choose d_k 4"),
        ({"tied": False}, "not tied: build the model with tied=True"),
        ({"positions": "learned"}, 'learned: build the model with positions="sinusoidal"'),
    ],
)
def test_a_model_that_others_cannot_express_is_refused(settings, reason):
    with pytest.raises(ValueError, match=reason):
        marian(random(**settings))
