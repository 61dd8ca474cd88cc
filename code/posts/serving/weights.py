"""The base model out of its GGUF file, and random small ones: hyperparameters, float32 weights and tokenizer.

llama.cpp stores q and k with the two halves of each head interleaved, because its rotation turns neighbouring pairs;
ours turns a dimension with the one half a head away, as the model was trained, so the rows go back. The head shares
the matrix of the embedding (Press and Wolf, 2017), and the file holds it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lockstep.datasets import Arrays
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from posts.serving import container
from posts.serving.model import Shape

CONTROL = 3  # the token type of marks such as <|im_start|>, which no text encodes to
NAMES = {  # of a block's tensors, in the file and here
    "attn_norm": "attention_norm",
    "attn_q": "attention.q",
    "attn_k": "attention.k",
    "attn_v": "attention.v",
    "attn_output": "attention.o",
    "ffn_norm": "mlp_norm",
    "ffn_gate": "mlp.gate",
    "ffn_up": "mlp.up",
    "ffn_down": "mlp.down",
}
OUTSIDE = {"token_embd.weight": "embedding.weight", "output_norm.weight": "norm.weight"}
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TINY = Shape(2, 64, 4, 2, 128, 256 + len(MARKS), 10_000.0, 1e-5, 512)


@dataclass(frozen=True)
class Base:
    """A model before it is built: its shape, its float32 weights by our names, its tokenizer, and its end of a turn."""

    shape: Shape
    weights: dict[str, Tensor]
    tokenizer: Tokenizer
    eos: tuple[int, ...]
    name: str


def unpermuted(w_OI: Tensor, heads: int) -> Tensor:
    """Rows of q or k from llama.cpp's order, pairs side by side, to ours, halves of a head one after the other."""
    rows, columns = w_OI.shape
    return w_OI.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def ours(name: str) -> str:
    """Our name of a tensor of the file. Raises ValueError for one that this architecture has no place for."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    parts = name.split(".")
    if len(parts) != 4 or parts[0] != "blk" or parts[2] not in NAMES:
        raise ValueError(f"the model has a tensor {name}, for which a Llama with a tied head has no place")
    return f"blocks.{parts[1]}.{NAMES[parts[2]]}.weight"


def read(arrays: Arrays) -> Base:
    """The model of a dataset: a GGUF file, or what `tiny` made. Raises ValueError where it is no Llama with a tied
    head."""
    if "gguf" not in arrays:
        return random_model(int(arrays["seed"][0]))
    metadata, tensors = container.read(arrays["gguf"])
    if (architecture := metadata.get("general.architecture")) != "llama":
        raise ValueError(f"the model is a {architecture}, expected a llama")
    shape = Shape(
        layers=metadata["llama.block_count"],
        d_model=metadata["llama.embedding_length"],
        heads=metadata["llama.attention.head_count"],
        kv_heads=metadata["llama.attention.head_count_kv"],
        d_ff=metadata["llama.feed_forward_length"],
        vocabulary=len(metadata["tokenizer.ggml.tokens"]),
        rope_base=metadata["llama.rope.freq_base"],
        eps=round(metadata["llama.attention.layer_norm_rms_epsilon"], 9),  # stored in single precision
        context=metadata["llama.context_length"],
    )
    weights: dict[str, Tensor] = {}
    for tensor in tensors:
        w = torch.from_numpy(tensor.values())
        name = ours(tensor.name)
        if name.endswith(("attention.q.weight", "attention.k.weight")):
            w = unpermuted(w, shape.heads if name.endswith("q.weight") else shape.kv_heads)
        weights[name] = w
    named = (metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "merges", "token_type"))
    tokenizer = _tokenizer(*named)
    return Base(shape, weights, tokenizer, _ends(tokenizer), "smollm2-135m-instruct")


def _tokenizer(tokens: list[str], merges: list[str], types: list[int]) -> Tokenizer:
    """Byte-level BPE that reads numbers digit by digit (the pre-tokenizer that the file calls "smollm")."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    return _byte_level(
        {token: i for i, token in enumerate(tokens)},
        pairs,
        [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL],
    )


def _byte_level(vocabulary: dict[str, int], merges: list[tuple[str, str]], control: list[str]) -> Tokenizer:
    tokenizer: Any = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def _ends(tokenizer: Tokenizer) -> tuple[int, ...]:
    found = (tokenizer.token_to_id(mark) for mark in ("<|im_end|>", "<|endoftext|>"))
    return tuple(number for number in found if number is not None)


def random_model(seed: int, shape: Shape = TINY) -> Base:
    """A model of random weights over single bytes: the code path of the real one, in milliseconds.

    Its scores are spread as those of a trained model are, so that greedy choices are no coin tosses.
    """
    generator = torch.Generator().manual_seed(seed)
    e, f, d = shape.d_model, shape.d_ff, shape.d_head

    def drawn(*size: int, scale: float) -> Tensor:
        return torch.randn(size, generator=generator) * scale

    weights = {"embedding.weight": drawn(shape.vocabulary, e, scale=1.0), "norm.weight": torch.ones(e)}
    for i in range(shape.layers):
        at = f"blocks.{i}."
        sizes = {"q": (shape.heads * d, e), "k": (shape.kv_heads * d, e), "v": (shape.kv_heads * d, e), "o": (e, e)}
        weights |= {f"{at}attention.{n}.weight": drawn(*size, scale=2 * e**-0.5) for n, size in sizes.items()}
        inner = {"gate": (f, e), "up": (f, e), "down": (e, f)}
        weights |= {f"{at}mlp.{n}.weight": drawn(*size, scale=2 * size[1] ** -0.5) for n, size in inner.items()}
        weights |= {f"{at}{n}_norm.weight": torch.ones(e) for n in ("attention", "mlp")}
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = _byte_level({token: i for i, token in enumerate([*letters, *MARKS])}, [], list(MARKS))
    return Base(shape, weights, tokenizer, _ends(tokenizer), "tiny")
