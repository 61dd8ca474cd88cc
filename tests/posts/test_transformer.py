"""The Transformer, against independent references."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from posts.transformer.model import (
    PAD,
    DecoderLayer,
    EncoderLayer,
    Transformer,
    attention_weights,
    causal_mask,
    padding_mask,
    sinusoids,
)
from tinymodel import D_K, HEADS, INNER, WIDTH, rng, tiny
from torch import Tensor, nn

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
    y_BTD = torch.randn(3, 5, WIDTH, generator=rng(2), dtype=torch.float64)
    return tokens_BS, x_BSD.requires_grad_(), y_BTD.requires_grad_()


Pair = tuple[nn.Module, nn.Module, dict[str, str]]  # ours, torch's, and the names of ours in theirs
Computed = tuple[Tensor, list[Tensor]]  # an output, and what it was computed from


def encoders() -> tuple[Pair, Computed, Computed]:
    (tokens_BS, x_BSD, _), (_, again_BSD, _) = inputs(), inputs()
    ours = randomised(EncoderLayer(WIDTH, HEADS, D_K, INNER, 0.0, rng()))
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0.0, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(translated(ours, ENCODER, lambda p: p.detach().clone()))
    mask = padding_mask(tokens_BS, x_BSD.dtype)
    reference = theirs(again_BSD, src_key_padding_mask=tokens_BS == PAD)
    return (ours, theirs, ENCODER), (ours(x_BSD, mask), [x_BSD]), (reference, [again_BSD])


def decoders() -> tuple[Pair, Computed, Computed]:
    (tokens_BS, x_BSD, y_BTD), (_, memory_BSD, again_BTD) = inputs(), inputs()
    ours = randomised(DecoderLayer(WIDTH, HEADS, D_K, INNER, 0.0, rng()))
    theirs = nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, 0.0, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(translated(ours, DECODER, lambda p: p.detach().clone()))
    memory = ours.cross.keys_and_values(x_BSD)  # pyright: ignore
    mine = ours(y_BTD, memory, padding_mask(tokens_BS, x_BSD.dtype), causal_mask(5, y_BTD))
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    reference = theirs(again_BTD, memory_BSD, tgt_mask=later, memory_key_padding_mask=tokens_BS == PAD)
    return (ours, theirs, DECODER), (mine, [x_BSD, y_BTD]), (reference, [memory_BSD, again_BTD])


@pytest.mark.parametrize("make", [encoders, decoders])
def test_layers_agree_with_torch_in_output_gradients_and_the_weights_after_a_step(make):
    (ours, theirs, names), (mine, our_inputs), (reference, their_inputs) = make()
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
    torch.testing.assert_close([x.grad for x in our_inputs], [x.grad for x in their_inputs], rtol=1e-9, atol=1e-12)
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
