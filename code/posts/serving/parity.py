"""Is the int8 model the float32 model? On texts that no calibration saw: how far its scores drift, and what that
changes.

Measured for each recipe of linear.Recipe, in the order in which they were invented, on solved problems of GSM8K
(Cobbe et al., 2021): perplexity, the mean absolute difference of the log-probability of each true token, how often
both models would write the same token, and a task: which of four solutions belongs to the problem, by mean
log-probability.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from posts.serving import calibration
from posts.serving.linear import Recipe, calibrate, quantised
from posts.serving.model import KVCache, Model, build, whole
from posts.serving.weights import Base, read

if TYPE_CHECKING:
    from lockstep.run import Run

RECIPES = {
    "rounded rows": Recipe(kept=0, smooth=0.0),
    "smoothed": Recipe(kept=0),
    "columns apart": Recipe(smooth=0.0),
    "both, by largest values": Recipe(size="largest"),
    "both": Recipe(),
    "both, head in float32": Recipe(head=False),
}
FOUR_BITS = "four bits"  # the weights of the blocks as llama.cpp's Q4_0 rounds them, all else float32
CHOICES = 4


def problems(content: np.ndarray[Any, Any]) -> list[tuple[str, str]]:
    """Questions and solutions of a file of JSON lines; without the marks that a calculator reads."""
    import re

    lines = [json.loads(line) for line in content.tobytes().decode().splitlines()]
    return [(each["question"], re.sub(r"<<.*?>>", "", each["answer"])) for each in lines]


def scored(model: Model, tokens: list[int]) -> Tensor:
    """Log-probabilities (T − 1, V) of what follows each token."""
    step, pages = whole(model.shape, tokens)
    return model.forward(step, KVCache(model.shape, pages))[:-1].log_softmax(dim=-1)


def four_bits(base: Base) -> Model:
    """The model with the weights of its blocks rounded to Q4_0, as llama.cpp does: 32 of them share a scale."""
    from gguf import GGMLQuantizationType, quants

    kind = GGMLQuantizationType.Q4_0
    rounded = {
        name: torch.from_numpy(quants.dequantize(quants.quantize(w.numpy(), kind), kind))
        for name, w in base.weights.items()
        if name.startswith("blocks.") and w.dim() == 2
    }
    return build(base.shape, base.weights | rounded, base.name)


def compare(run: Run) -> list[dict[str, Any]]:
    """A row for float32 and one for each recipe; each is also a row a problem in parity.csv."""
    config = run.config
    base = read(run.data("base"))
    exact = build(base.shape, base.weights, base.name)
    with torch.inference_mode():
        largest = calibrate(exact, calibration.tokens(base.tokenizer, base.shape.context))
        models = {name: quantised(exact, largest, RECIPES[name]) for name in config.recipes if name != FOUR_BITS}
        if FOUR_BITS in config.recipes:
            models[FOUR_BITS] = four_bits(base)
        asked = problems(run.data("problems")["test"])
        rng = np.random.default_rng(run.seed)
        chosen = rng.permutation(len(asked))[: config.problems].tolist()
        counts: dict[str, list[list[float]]] = {name: [] for name in ("float32", *models)}
        for done, number in enumerate(chosen):
            question, solution = asked[number]
            others = rng.choice([n for n in range(len(asked)) if n != number], CHOICES - 1, replace=False)
            solutions = [solution, *(asked[int(n)][1] for n in others)]
            _measure(exact, models, base.tokenizer, question, solutions, counts)
            run.progress(done + 1, len(chosen))
    return [_row(name, np.array(rows), np.array(counts["float32"])) for name, rows in counts.items()]


def _measure(
    exact: Model, models: dict[str, Model], tokenizer: Any, question: str, solutions: list[str], counts: Any
) -> None:
    head = tokenizer.encode(question + "\n").ids
    texts = [head + tokenizer.encode(each).ids for each in solutions]
    begun = len(head) - 1
    told = [scored(exact, tokens) for tokens in texts]
    for name, model in {"float32": exact, **models}.items():
        ours = told if model is exact else [scored(model, tokens) for tokens in texts]
        true_C = [_true(one, tokens) for one, tokens in zip(ours, texts, strict=True)]
        drift = (true_C[0] - _true(told[0], texts[0])).abs()
        same = (ours[0].argmax(-1) == told[0].argmax(-1)).float()
        likely = [float(one[begun:].mean()) for one in true_C]
        right = float(likely[0] == max(likely))
        counts[name].append([len(texts[0]) - 1, float(-true_C[0].sum()), float(drift.sum()), float(same.sum()), right])


def _true(scores_TV: Tensor, tokens: list[int]) -> Tensor:
    return scores_TV.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]


def _row(name: str, rows_P5: Any, exact_P5: Any) -> dict[str, Any]:
    """Over all tokens; the ratio of perplexities with the ends of an interval, problems resampled."""
    tokens, loss, drift, same, right = rows_P5.sum(axis=0)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(rows_P5), (1000, len(rows_P5)))
    ratios = np.exp((rows_P5[picks, 1] - exact_P5[picks, 1]).sum(1) / rows_P5[picks, 0].sum(1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    ratio = float(np.exp((loss - exact_P5[:, 1].sum()) / tokens))
    found = {"perplexity": float(np.exp(loss / tokens)), "perplexity_ratio": ratio, "drift": drift / tokens}
    found |= {"ratio_low": float(low), "ratio_high": float(high), "same_token": 100 * same / tokens}
    return {"recipe": name, "tokens": float(tokens), "right": 100 * right / len(rows_P5)} | found
