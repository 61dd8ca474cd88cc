"""Matrices in eight bits for the page: a row is whole numbers from -127 to 127 times one float of its own.

What ships is what is measured: `write_quantised` answers with the very numbers that the page reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from posts.asksql import wikisql
from posts.asksql.decode import Answer
from posts.asksql.evaluate import asked, keep
from posts.asksql.small import CopyDecoder, source, write
from posts.asksql.train_small import build

if TYPE_CHECKING:
    from lockstep.run import Run

LARGEST = 127
SCALE = ".scale"


def to_int8(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every matrix (O, I) as int8 with a float32 scale (O) beside it; vectors in float32."""
    found: dict[str, Tensor] = {}
    for name, w in weights.items():
        if w.dim() == 2:
            scale_O = (w.float().abs().amax(dim=1) / LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
            found[name] = (w.float() / scale_O[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
            found[name + SCALE] = scale_O
        else:
            found[name] = w.float()
    return found


def from_int8(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `to_int8`, but for what rounding lost: float32."""
    return {
        name: w.float() * stored[name + SCALE][:, None] if w.dtype == torch.int8 else w
        for name, w in stored.items()
        if not name.endswith(SCALE)
    }


def quantised_model(config: Any, weights: dict[str, Tensor], pieces: int) -> CopyDecoder:
    """The small model with its matrices rounded to eight bits."""
    model = build(config, pieces, torch.Generator())
    model.load_state_dict(from_int8(to_int8(weights)))
    return model


def write_quantised(run: Run) -> list[dict[str, Any]]:
    """The answers of the page's model; returns and keeps what `posts.asksql.evaluate.write` does."""
    torch.set_num_threads(1)
    (trained,) = run.inputs
    tokenizer = Tokenizer.from_str(trained.open("pieces.json").read_text(encoding="utf-8"))
    model = quantised_model(run.config, load_file(trained.open("small.safetensors")), tokenizer.get_vocab_size())
    corpus, found = wikisql.read(run.data("wikisql")), []
    for question in asked(run.config, corpus):
        query, log_p = write(model, source(tokenizer, question.text, corpus.schemas[question.schema][0].columns))
        found.append(Answer(query.sql(), log_p, log_p, 2 + 4 * len(query.conditions) + 1, True))
    return keep(run, found)
