"""The base model out of its GGUF file: hyperparameters, float32 weights and tokenizer.

llama.cpp stores q and k with the two halves of each head interleaved, because its rotation turns neighbouring pairs;
ours turns a dimension with the one half a head away, as the model was trained, so the rows go back. The head shares
the matrix of the embedding (Press and Wolf, 2017), and the file holds it once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from posts.asksql import container
from posts.asksql.model import Shape

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


@dataclass(frozen=True)
class Base:
    """A pretrained model: its shape, its float32 weights by our names, and its tokenizer."""

    shape: Shape
    weights: dict[str, Tensor]
    tokenizer: Tokenizer


def unpermuted(w_OI: Tensor, heads: int) -> Tensor:
    """Rows of q or k from llama.cpp's order, pairs side by side, to ours, halves of a head one after the other."""
    rows, columns = w_OI.shape
    return w_OI.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def permuted(w_OI: Tensor, heads: int) -> Tensor:
    """Undo `unpermuted`."""
    rows, columns = w_OI.shape
    return w_OI.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def ours(name: str) -> str:
    """Our name of a tensor of the file. Raises ValueError for one that this architecture has no place for."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    parts = name.split(".")
    if len(parts) != 4 or parts[0] != "blk" or parts[2] not in NAMES:
        raise ValueError(f"the model has a tensor {name}, for which a Llama with a tied head has no place")
    return f"blocks.{parts[1]}.{NAMES[parts[2]]}.weight"


def read(content: NDArray[np.uint8]) -> Base:
    """The model in the bytes of a GGUF file. Raises ValueError where it is not a Llama with a tied head."""
    metadata, tensors = container.read(content)
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
    )
    weights: dict[str, Tensor] = {}
    for tensor in tensors:
        w = torch.from_numpy(tensor.values())
        name = ours(tensor.name)
        if name.endswith(("attention.q.weight", "attention.k.weight")):
            w = unpermuted(w, shape.heads if name.endswith("q.weight") else shape.kv_heads)
        weights[name] = w
    named = (metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "merges", "token_type"))
    return Base(shape, weights, _tokenizer(*named))


def _tokenizer(tokens: list[str], merges: list[str], types: list[int]) -> Tokenizer:
    """Byte-level BPE that reads numbers digit by digit (the pre-tokenizer that the file calls "smollm")."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    control = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer
