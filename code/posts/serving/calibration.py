"""Texts that an int8 model is calibrated on at each start: a few seconds, and no file to keep beside the weights.

What matters is which columns of the activations are large, and that hardly depends on the text (studies/kernels.py and
parity.py measure on texts that are not among these). They are in the forms that requests have.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer

from posts.serving.linear import Recipe, calibrate, quantised
from posts.serving.model import Model, build
from posts.serving.weights import Base

TEXTS = (
    "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n<|im_start|>user\nHow do I boil an egg so that the "
    "yolk stays soft?<|im_end|>\n<|im_start|>assistant\nBring water to the boil, lower the egg in with a spoon, wait "
    "six minutes, and put it into cold water at once. A larger egg, or one from the fridge, needs half a minute more.",
    "<|im_start|>user\nWrite a function that adds the squares of a list.<|im_end|>\n<|im_start|>assistant\n```python\n"
    'def squares(numbers):\n    """The sum of the squares."""\n    return sum(n * n for n in numbers)\n```\nCalled '
    "with [1, 2, 3] it returns 14.",
    "The harbour lay quiet in the morning. Two boats had come in before dawn with mackerel, and gulls walked up and "
    "down the quay as if it were theirs. By nine o'clock the market was open; at noon all had been sold, and the "
    "men who had fished all night were asleep.",
    "SELECT name, population FROM city WHERE population > 150000 AND state = 'texas' ORDER BY population DESC;\n"
    '{"name": "Ada", "born": 1815, "fields": ["mathematics", "computing"], "alive": false}\n',
    "A train leaves at 8:15 and runs 240 km at 80 km/h, so it arrives three hours later, at 11:15. Tickets cost $12.50 "
    "each; four of them are $50, and with a tenth off, $45.",
    "Über den Wolken ist es hell. Les mots changent, mais la phrase reste. El tren llega tarde. 你好，世界。 Ω ≈ 3.14",
)


def tokens(tokenizer: Tokenizer, context: int) -> list[list[int]]:
    """The texts, with their marks as marks."""
    before = tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = False
    try:
        return [tokenizer.encode(text).ids[:context] for text in TEXTS]
    finally:
        tokenizer.encode_special_tokens = before


def model(base: Base, weights: str, recipe: Recipe | None = None) -> Model:
    """The base model in float32, or calibrated and in int8 by a recipe."""
    made = build(base.shape, base.weights, base.name)
    if weights == "float32":
        return made
    with torch.inference_mode():
        largest = calibrate(made, tokens(base.tokenizer, base.shape.context))
        return quantised(made, largest, recipe or Recipe())
