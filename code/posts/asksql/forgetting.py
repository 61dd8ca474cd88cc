"""What fine-tuning costs elsewhere: the perplexity of English that is no question, before and after.

The text is the captions of Multi30k's validation split, one a line; of it only means are kept. A window is read from
its first token, so the first positions of each have little before them: these perplexities compare models on one text,
and say nothing against perplexities that others report.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from posts.asksql import weights
from posts.asksql.data import decoded
from posts.asksql.evaluate import learned_model
from posts.asksql.model import Llama, load

if TYPE_CHECKING:
    from lockstep.run import Run

WINDOW = 256  # tokens


def measure(run: Run) -> list[dict[str, Any]]:
    """The base model's perplexity, exp of the mean loss in nats, of the first `other_tokens` tokens of the text."""
    base = weights.read(run.data("base")["gguf"])
    return _row(run, base, load(base.shape, base.weights))


def measure_learned(run: Run) -> list[dict[str, Any]]:
    """That of a fine-tuned model; returns what `measure` does."""
    base, config = weights.read(run.data("base")["gguf"]), run.config
    model = learned_model(base, run.inputs[0].open("learned.safetensors"), config.rank, config.alpha)
    return _row(run, base, model)


def _row(run: Run, base: weights.Base, model: Llama) -> list[dict[str, Any]]:
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    tokens = base.tokenizer.encode(decoded(run.data("captions"), "val_en")).ids[: run.config.other_tokens]
    return [{"perplexity": perplexity(model, tokens)}]


@torch.no_grad()
def perplexity(model: Llama, tokens: list[int], window: int = WINDOW) -> float:
    """Of each token but the first, from those before it in its window. Raises ValueError for fewer than two tokens."""
    if len(tokens) < 2:
        raise ValueError(f"a perplexity needs 2 tokens, there are {len(tokens)}")
    total = 0.0
    for begin in range(0, len(tokens) - 1, window):
        part_1T = torch.tensor([tokens[begin : begin + window + 1]])  # the last is predicted, and read in the next
        scores_TV = model.logits(model(part_1T[:, :-1]))[0]
        total += float(F.cross_entropy(scores_TV, part_1T[0, 1:], reduction="sum"))
    return math.exp(total / (len(tokens) - 1))
