"""The exponent of the length penalty, chosen on validation sentences.

Section 6.1 of the paper chose beam and penalty after experiments on the development set. Here each training chooses
for itself, among exponents that were declared before, and what it chose then translates the test sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from posts.transformer.data import read_subwords, sentences
from posts.transformer.decode import Search, translate
from posts.transformer.evaluate import SPLITS, VALIDATION, rates, steps_from

if TYPE_CHECKING:
    from lockstep.run import Run


def choose(run: Run) -> list[dict[str, Any]]:
    """Scores of the averaged weights under beam search: validation under each exponent, tests under the chosen one.

    The exponent with the highest BLEU4 on the validation sentences is chosen, the smallest of several. Rows hold
    `split` and `exponent`, which is "chosen" for all splits under that one; its value is `chosen_exponent`.
    """
    config, made, arrays = run.config, run.inputs[0], run.data("captions")
    torch.set_num_threads(1)
    tokenizer = read_subwords(made.open("subwords.json"))
    begin = steps_from(config, made.open("averaged.safetensors"))
    sizes = {"rows": config.decode_rows, "longest": config.longest}

    def rated(split: str, exponent: float) -> dict[str, float]:
        search = Search(config.beam, exponent, config.longer)
        found = translate(begin, tokenizer, sentences(arrays, f"{split}_en"), search, **sizes)
        return rates(found, sentences(arrays, f"{split}_de"))

    (validation,) = VALIDATION
    tried: dict[float, dict[str, float]] = {}
    for exponent in sorted(config.exponents):
        tried[exponent] = rated(validation, exponent)
        run.progress(len(tried), len(config.exponents) + len(SPLITS) - 1, bleu4=tried[exponent]["bleu4"])
    chosen = max(tried, key=lambda exponent: tried[exponent]["bleu4"])
    rows: list[dict[str, Any]] = [
        {"split": validation, "exponent": f"{exponent:g}"} | found for exponent, found in tried.items()
    ]
    for split in SPLITS:
        found = tried[chosen] if split == validation else rated(split, chosen)
        rows.append({"split": split, "exponent": "chosen"} | found)
    return [*rows, {"exponent": "chosen", "chosen_exponent": float(chosen)}]
