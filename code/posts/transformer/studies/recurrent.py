"""The baseline that the paper replaces: a recurrent encoder and decoder joined by attention, of as many parameters.

Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate", 2015, appendix A: a
bidirectional GRU reads the source; before each target token an additive attention, asked with the decoder's last
state, reads the annotations. Two parts are not theirs: the read-out is a tanh of the newest state, not a maxout of the
one before, and torch's GRU resets after the product with the recurrent weights, not before. Embeddings are tied, and
training, decoding and scoring are those of the Transformer.

Shape legend: B sentences, S source tokens, T target tokens, E embedding, H units of a GRU, A attention units,
R rows of the search (hypotheses), V vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from posts.transformer.decode import Begin
from posts.transformer.evaluate import VALIDATION, follow_with, load_as, write_with
from posts.transformer.model import PAD, dropout, linear, padding_mask
from posts.transformer.train import optimise, prepare

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.transformer.experiment import Config


def gru(inputs: int, units: int, rng: torch.Generator, *, both_ways: bool = False) -> nn.GRU:
    """A GRU of one layer: inputs Glorot-uniform, each gate's recurrence orthogonal (Saxe et al., 2014), zero biases."""
    layer = nn.GRU(inputs, units, batch_first=True, bidirectional=both_ways)
    for name, weight in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
        elif name.startswith("weight_hh"):
            for gate in weight.detach().chunk(3):
                nn.init.orthogonal_(gate, generator=rng)
        else:
            nn.init.xavier_uniform_(weight, generator=rng)
    return layer


class Recurrent(nn.Module):
    """Source and shifted target tokens to the states (B, T, E) that predict each next token."""

    def __init__(self, vocabulary: int, rng: torch.Generator, *, embedding: int, units: int, rate: float):
        super().__init__()
        self.rate = rate
        weight = torch.empty(vocabulary, embedding).normal_(std=embedding**-0.5, generator=rng)
        self.logits_weight = nn.Parameter(weight)
        self.encoder = gru(embedding, units, rng, both_ways=True)
        self.start = linear(units, units, rng)
        self.keys = linear(2 * units, units, rng)
        self.query = linear(units, units, rng)
        self.energy = linear(units, 1, rng)
        self.decoder = gru(embedding + 2 * units, units, rng)
        self.readout = linear(embedding + 3 * units, embedding, rng)

    def embed(self, tokens: Tensor, rng: torch.Generator | None) -> Tensor:
        x = nn.functional.embedding(tokens, self.logits_weight) * self.logits_weight.shape[1] ** 0.5
        return dropout(x, self.rate, rng)

    def encode(self, source_BS: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Annotations (B, S, 2H), the decoder's first state (1, B, H), and the mask of padding (B, S)."""
        x_BSE = self.embed(source_BS, rng)
        lengths_B = (source_BS != PAD).sum(dim=1).cpu()
        packed = pack_padded_sequence(x_BSE, lengths_B, batch_first=True, enforce_sorted=False)
        annotations, last_2BH = self.encoder(packed)
        annotations_BSX, _ = pad_packed_sequence(annotations, batch_first=True, total_length=source_BS.shape[1])
        first_1BH = self.start(last_2BH[1:]).tanh()  # from the backward reading's end, which has seen all
        mask = padding_mask(source_BS, annotations_BSX.dtype)
        return dropout(annotations_BSX, self.rate, rng), first_1BH, None if mask is None else mask[:, 0, 0]

    def attend(self, state_BH: Tensor, keys_BSH: Tensor, annotations_BSX: Tensor, mask_BS: Tensor | None) -> Tensor:
        """The context (B, 2H): softmax over vᵀ tanh(Ws + Uh), then the mean of the annotations under it."""
        energy_BS = self.energy((self.query(state_BH)[:, None] + keys_BSH).tanh())[..., 0]
        weights_BS = (energy_BS if mask_BS is None else energy_BS + mask_BS).softmax(dim=-1)
        return (weights_BS[:, None] @ annotations_BSX)[:, 0]

    def step(
        self, x_BE: Tensor, state_1BH: Tensor, keys_BSH: Tensor, annotations_BSX: Tensor, mask_BS: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One target token to the next state (1, B, H) and everything that the read-out sees (B, E + 3H)."""
        context_BX = self.attend(state_1BH[0], keys_BSH, annotations_BSX, mask_BS)
        _, state_1BH = self.decoder(torch.cat([x_BE, context_BX], dim=1)[:, None], state_1BH.contiguous())
        return state_1BH, torch.cat([x_BE, context_BX, state_1BH[0]], dim=1)

    def read_out(self, seen: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """(…, E + 3H) to the states (…, E)."""
        return dropout(self.readout(seen).tanh(), self.rate, rng)

    def logits(self, states: Tensor) -> Tensor:
        """States (…, E) to logits (…, V)."""
        return states @ self.logits_weight.T

    def forward(self, source_BS: Tensor, target_BT: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Source and shifted target tokens to the states (B, T, E) that predict each next token."""
        annotations_BSX, state_1BH, mask_BS = self.encode(source_BS, rng)
        keys_BSH = self.keys(annotations_BSX)
        seen = []
        for x_BE in self.embed(target_BT, rng).unbind(dim=1):
            state_1BH, seen_BX = self.step(x_BE, state_1BH, keys_BSH, annotations_BSX, mask_BS)
            seen.append(seen_BX)
        return self.read_out(torch.stack(seen, dim=1), rng)


class RecurrentSteps:
    """What beam search asks of a recurrent model: the state of each row, and the annotations of its source."""

    def __init__(self, model: Recurrent, source_BS: Tensor, hypotheses: int):
        self.model = model
        annotations_BSX, state_1BH, mask_BS = model.encode(source_BS)
        self.annotations = annotations_BSX.repeat_interleave(hypotheses, dim=0)
        self.keys = model.keys(self.annotations)
        self.state = state_1BH.repeat_interleave(hypotheses, dim=1)
        self.mask = None if mask_BS is None else mask_BS.repeat_interleave(hypotheses, dim=0)

    def next(self, tokens_R: Tensor) -> Tensor:
        x_RE = self.model.embed(tokens_R, None)
        self.state, seen_RX = self.model.step(x_RE, self.state, self.keys, self.annotations, self.mask)
        return self.model.logits(self.model.read_out(seen_RX))

    def reorder(self, rows_R: Tensor) -> None:
        self.state = self.state[:, rows_R]

    def keep(self, rows_R: Tensor) -> None:
        self.reorder(rows_R)
        self.annotations, self.keys = self.annotations[rows_R], self.keys[rows_R]
        self.mask = None if self.mask is None else self.mask[rows_R]


def build(config: Config, vocabulary: int, rng: torch.Generator) -> Recurrent:
    return Recurrent(vocabulary, rng, embedding=config.d_model, units=config.units, rate=config.dropout)


def fit(run: Run) -> list[dict[str, Any]]:
    """Train one recurrent model exactly as `train.fit` trains a Transformer. Returns and keeps the same."""
    tokenizer, pairs, validation = prepare(run)
    model = build(run.config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(run.seed))
    return optimise(run, model, pairs, validation)


def load(config: Config, path: Path) -> Recurrent:
    """`evaluate.load` for a recurrent model."""
    return load_as(build, config, path)


def steps_from(config: Config, path: Path) -> Begin:
    model = load(config, path)
    return lambda source_BS, hypotheses: RecurrentSteps(model, source_BS, hypotheses)


def write(run: Run) -> list[dict[str, Any]]:
    """`evaluate.write_validation` for a recurrent model."""
    return write_with(run, steps_from, VALIDATION)


def follow(run: Run) -> list[dict[str, Any]]:
    """`evaluate.follow` for a recurrent model."""
    return follow_with(run, steps_from)
