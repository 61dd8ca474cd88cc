"""How far signals travel: the gradient of one position's encoding with respect to another position's word.

Section 4 of the paper argues that a recurrent layer puts as many steps between two positions as there are words
between them, and self-attention one. What that does is measured here: over validation sentences, the norm of the
gradient of a random direction of the encoder's output at position i with respect to the embedding at position j,
against the distance |i - j|, before training and after. Distance 0 is left out: there the residual sum passes the word
on as it is, and a bidirectional layer answers with both halves of its output.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from posts.transformer.data import encode, read_subwords, sentences
from posts.transformer.evaluate import M, load_as
from posts.transformer.model import Transformer
from posts.transformer.studies import recurrent
from posts.transformer.train import build

if TYPE_CHECKING:
    from lockstep.run import Input, Run
    from torch import nn

    from posts.transformer.experiment import Config

PROBING = 3_000_017  # offset of the seed that draws directions, away from the seeds that train
Encode = Callable[[Tensor], Tensor]  # embedded source (1, S, D) to the encoder's output (1, S, X)


def transformer_encoder(model: Transformer) -> Encode:
    def forward(x_1SD: Tensor) -> Tensor:
        for layer in model.encoder:
            x_1SD = layer(x_1SD, None)
        return x_1SD

    return forward


def recurrent_encoder(model: recurrent.Recurrent) -> Encode:
    return lambda x_1SE: model.encoder(x_1SE)[0]


def gradient_norms(forward: Encode, x_1SD: Tensor, rng: torch.Generator) -> Tensor:
    """‖∂(u·output_i)/∂x_j‖ for all i and j, (S, S), with a random unit vector u for each i."""
    x_1SD = x_1SD.detach().requires_grad_()
    output_SX = forward(x_1SD)[0]
    directions_SX = torch.randn(output_SX.shape, generator=rng)
    directions_SX = directions_SX / directions_SX.norm(dim=1, keepdim=True)
    rows = [
        torch.autograd.grad(output_SX[i] @ directions_SX[i], x_1SD, retain_graph=True)[0][0].norm(dim=1)
        for i in range(len(output_SX))
    ]
    return torch.stack(rows)


def by_distance(norms: list[Tensor], farthest: int) -> list[float]:
    """The mean at each distance from 1 to `farthest`, as a share of the one at distance 1.

    First over the pairs of a sentence, then over sentences: all sentences count alike at all distances, however many
    pairs they have.
    """
    means_D = torch.zeros(farthest)
    for norm_SS in norms:
        place_S = torch.arange(len(norm_SS))
        distance_SS = (place_S[:, None] - place_S).abs()
        means_D += torch.stack([norm_SS[distance_SS == distance].mean() for distance in range(1, farthest + 1)])
    return (means_D / means_D[0]).tolist()


def trained_alike(run: Run) -> Input:
    """Of the trainings that `run` reads, the one at its own point of the grid."""
    (made,) = [made for made in run.inputs if made.keys == run.keys]
    return made


def measure(run: Run, model: nn.Module, embed: Callable[[Tensor], Tensor], forward: Encode) -> list[float]:
    """`by_distance` over the validation sentences that are long enough to have every distance."""
    config, made = run.config, trained_alike(run)
    tokenizer = read_subwords(made.open("subwords.json"))
    coded = encode(tokenizer, sentences(run.data("captions"), "val_en"), config.longest)
    long_enough = [tokens for tokens in coded if len(tokens) > config.farthest][: config.path_sentences]
    rng = torch.Generator().manual_seed(PROBING + run.seed)
    model.requires_grad_(False)
    return by_distance(
        [gradient_norms(forward, embed(torch.tensor([tokens])), rng) for tokens in long_enough], config.farthest
    )


def walk(run: Run) -> list[dict[str, Any]]:
    """The Transformer's gradients by distance, as it was initialised and as it was trained. Output: paths.csv."""
    return walk_as(run, build, lambda model: (model.source, transformer_encoder(model)))


def walk_recurrent(run: Run) -> list[dict[str, Any]]:
    """The same of the recurrent baseline."""
    return walk_as(run, recurrent.build, lambda model: (partial(model.embed, rng=None), recurrent_encoder(model)))


def walk_as(
    run: Run,
    make: Callable[[Config, int, torch.Generator], M],
    parts: Callable[[M], tuple[Callable[[Tensor], Tensor], Encode]],
) -> list[dict[str, Any]]:
    """`walk` for any model that `make` makes; `parts` tells apart what embeds its tokens and what encodes them."""
    config, made = run.config, trained_alike(run)
    torch.set_num_threads(1)
    trained = load_as(make, config, made.open("averaged.safetensors"))
    subwords = read_subwords(made.open("subwords.json")).get_vocab_size()
    fresh = make(config, subwords, torch.Generator().manual_seed(run.seed))
    found = {state: measure(run, model, *parts(model)) for state, model in (("initial", fresh), ("trained", trained))}
    return rows_of(run, found)


def rows_of(run: Run, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    rows = [
        {"state": state, "distance": distance, "gradient": share}
        for state, shares in found.items()
        for distance, share in enumerate(shares, start=1)
    ]
    run.write_csv("paths.csv", rows)
    return rows
