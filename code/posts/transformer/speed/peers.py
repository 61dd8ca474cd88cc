"""The same weights in other libraries: what the benchmark puts beside our model, and a test proves equal to it.

torch.nn.Transformer for training; Hugging Face's MarianMTModel and CTranslate2 for decoding. Each function takes one of
our models and returns its peer; the peers know models with tied embeddings, sinusoids and heads·d_k = d_model, and
`Shape.of` raises ValueError for any other. `marian` and `ctranslate2_model` need the packages of the extra `compare`
and import them when they are called: the smoke profile, which compares with PyTorch alone, can do without.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from posts.transformer.data import SPECIAL
from posts.transformer.model import END, PAD, START, UNKNOWN, DecoderLayer, EncoderLayer, Transformer

if TYPE_CHECKING:
    from ctranslate2 import Translator
    from ctranslate2.specs import TransformerSpec
    from transformers import MarianMTModel

Parts = dict[str, Tensor]  # weight and bias of one layer


@dataclass(frozen=True)
class Shape:
    """The sizes of a model that a peer can be built for."""

    vocabulary: int
    layers: int
    d_model: int
    d_ff: int
    heads: int
    rate: float
    longest: int

    @classmethod
    def of(cls, model: Transformer) -> Shape:
        """Raises ValueError for a model that the other libraries cannot express."""
        layer, table = first(model), model.target.positions.table
        vocabulary, d_model = model.logits_weight.shape
        heads, d_k = layer.attention.heads, layer.attention.d_k
        if heads * d_k != d_model:
            raise ValueError(f"{heads} heads of d_k {d_k} do not make d_model {d_model}: choose d_k {d_model // heads}")
        if model.source.weight is not model.target.weight:
            raise ValueError("the embeddings are not tied: build the model with tied=True")
        if isinstance(table, nn.Parameter):
            raise ValueError('the positions are learned: build the model with positions="sinusoidal"')
        d_ff = layer.feed_forward.inner.out_features
        return cls(vocabulary, len(model.encoder), d_model, d_ff, heads, layer.add_attention.rate, len(table))


def first(model: Transformer) -> EncoderLayer:
    layer = model.encoder[0]
    assert isinstance(layer, EncoderLayer)
    return layer


def encoder_layers(model: Transformer) -> Iterator[tuple[int, EncoderLayer]]:
    for i, layer in enumerate(model.encoder):
        assert isinstance(layer, EncoderLayer)
        yield i, layer


def decoder_layers(model: Transformer) -> Iterator[tuple[int, DecoderLayer]]:
    for i, layer in enumerate(model.decoder):
        assert isinstance(layer, DecoderLayer)
        yield i, layer


def parts(layer: nn.Module) -> Parts:
    """Copies, detached."""
    return {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}


def joined(*layers: nn.Module) -> Parts:
    """Several projections as one, the rows of the first on top."""
    return {name: torch.cat([parts(layer)[name] for layer in layers]) for name in ("weight", "bias")}


# --- torch.nn.Transformer ---------------------------------------------------------------------------------------


def torch_as_it_comes(shape: Shape) -> nn.Transformer:
    """With its defaults, post-norm: dropout also on the attention weights and inside the feed-forward networks, and a
    layer normalisation more after the last layer of encoder and decoder."""
    sizes = shape.d_model, shape.heads, shape.layers, shape.layers, shape.d_ff, shape.rate
    return nn.Transformer(*sizes, batch_first=True)


def torch_as_ours(shape: Shape) -> nn.Transformer:
    """Dropout and normalisations only where the paper and our model have them."""
    sizes = shape.d_model, shape.heads, shape.d_ff, shape.rate
    encoder = nn.TransformerEncoderLayer(*sizes, batch_first=True)
    decoder = nn.TransformerDecoderLayer(*sizes, batch_first=True)
    for layer in (encoder, decoder):
        layer.dropout = nn.Dropout(0.0)  # the one inside the feed-forward network
        layer.self_attn.dropout = 0.0
    decoder.multihead_attn.dropout = 0.0
    return nn.Transformer(
        shape.d_model,
        shape.heads,
        batch_first=True,
        custom_encoder=nn.TransformerEncoder(encoder, shape.layers, enable_nested_tensor=False),
        custom_decoder=nn.TransformerDecoder(decoder, shape.layers),
    )


class TorchTransformer(nn.Module):
    """torch.nn.Transformer between tied embeddings with sinusoids, under the interface that our training knows."""

    def __init__(self, model: Transformer, core: nn.Transformer):
        super().__init__()
        self.logits_weight = nn.Parameter(model.logits_weight.detach().clone())
        self.register_buffer("table", model.target.positions.table.clone(), persistent=False)
        self.dropout = nn.Dropout(first(model).add_attention.rate)
        self.core = core
        missing, unknown = self.core.load_state_dict(torch_weights(model), strict=False)
        more = {f"{side}.norm.{part}" for side in ("encoder", "decoder") for part in ("weight", "bias")}
        assert not unknown and set(missing) <= more, (missing, unknown)  # the norms that only it has start as they are

    def embed(self, tokens_BL: Tensor) -> Tensor:
        x_BLD = nn.functional.embedding(tokens_BL, self.logits_weight) * self.logits_weight.shape[1] ** 0.5
        return self.dropout(x_BLD + self.get_buffer("table")[: tokens_BL.shape[1]])

    def logits(self, states: Tensor) -> Tensor:
        return states @ self.logits_weight.T

    def forward(self, source_BS: Tensor, target_BT: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """As `Transformer.forward`. Its dropout draws from torch's own generator and takes none: `train` and `eval`
        switch it, and `rng` goes unused."""
        padded_BS = source_BS == PAD
        padding = padded_BS if padded_BS.any() else None
        length = target_BT.shape[1]
        later_TT = torch.ones(length, length, dtype=torch.bool, device=target_BT.device).triu(1)
        return self.core(
            self.embed(source_BS),
            self.embed(target_BT),
            tgt_mask=later_TT,
            tgt_is_causal=True,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )


def torch_weights(model: Transformer) -> Parts:
    """Our layers' weights under the names of torch.nn.Transformer."""
    found: Parts = {}

    def put(name: str, layer: Parts) -> None:
        found.update({f"{name}{part}": value for part, value in layer.items()})

    for i, layer in encoder_layers(model):
        at = f"encoder.layers.{i}"
        put(f"{at}.norm2.", parts(layer.add_feed_forward.norm))
        put_shared(put, at, layer)
    for i, layer in decoder_layers(model):
        at = f"decoder.layers.{i}"
        put(f"{at}.multihead_attn.in_proj_", joined(layer.cross.queries, layer.cross.memory))
        put(f"{at}.multihead_attn.out_proj.", parts(layer.cross.output))
        put(f"{at}.norm2.", parts(layer.add_cross.norm))
        put(f"{at}.norm3.", parts(layer.add_feed_forward.norm))
        put_shared(put, at, layer)
    return found


def put_shared(put: Any, at: str, layer: EncoderLayer | DecoderLayer) -> None:
    """What encoder and decoder layers have in common."""
    put(f"{at}.self_attn.in_proj_", parts(layer.attention.project))
    put(f"{at}.self_attn.out_proj.", parts(layer.attention.output))
    put(f"{at}.norm1.", parts(layer.add_attention.norm))
    put(f"{at}.linear1.", parts(layer.feed_forward.inner))
    put(f"{at}.linear2.", parts(layer.feed_forward.outer))


# --- Hugging Face's MarianMTModel -------------------------------------------------------------------------------


def marian(model: Transformer) -> MarianMTModel:
    """A MarianMTModel in eval mode that computes the same logits.

    Its sinusoids are ours with the even columns first and the odd ones after them. So every axis of width d_model is
    put in that order; sums over it, and normalisations along it, stay what they were.
    """
    from transformers import MarianConfig, MarianMTModel

    shape = Shape.of(model)
    config = MarianConfig(
        vocab_size=shape.vocabulary,
        d_model=shape.d_model,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_ffn_dim=shape.d_ff,
        decoder_ffn_dim=shape.d_ff,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        max_position_embeddings=shape.longest,
        activation_function="relu",
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=END,
        decoder_start_token_id=START,
        forced_eos_token_id=None,  # its default would end every translation with token 0
    )
    peer = MarianMTModel(config).eval()
    missing, unknown = peer.load_state_dict(marian_weights(model), strict=False)
    computed = {"final_logits_bias", "lm_head.weight"} | {
        f"model.{side}.embed_{kind}.weight" for side in ("encoder", "decoder") for kind in ("tokens", "positions")
    }  # zeros, the tied embeddings and the sinusoids
    assert not unknown and set(missing) <= computed, (missing, unknown)
    return peer


def marian_weights(model: Transformer) -> Parts:
    """Our weights, permuted, under Marian's names."""
    width = model.logits_weight.shape[1]
    order = torch.cat([torch.arange(0, width, 2), torch.arange(1, width, 2)])
    found: Parts = {"model.shared.weight": model.logits_weight.detach()[:, order]}

    def put_norm(name: str, norm: nn.Module) -> None:
        found.update({f"{name}.{part}": value[order] for part, value in parts(norm).items()})

    def put_in(names: Sequence[str], layer: nn.Module) -> None:
        """A linear map from d_model; several names share its rows."""
        weights, biases = (parts(layer)[part].chunk(len(names)) for part in ("weight", "bias"))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            found.update({f"{name}.weight": weight[:, order], f"{name}.bias": bias})

    def put_out(name: str, layer: nn.Module) -> None:
        """A linear map to d_model."""
        found.update({f"{name}.{part}": value[order] for part, value in parts(layer).items()})

    def put_shared(at: str, layer: EncoderLayer | DecoderLayer) -> None:
        put_in([f"{at}.self_attn.{name}_proj" for name in "qkv"], layer.attention.project)
        put_out(f"{at}.self_attn.out_proj", layer.attention.output)
        put_norm(f"{at}.self_attn_layer_norm", layer.add_attention.norm)
        put_in([f"{at}.fc1"], layer.feed_forward.inner)
        put_out(f"{at}.fc2", layer.feed_forward.outer)
        put_norm(f"{at}.final_layer_norm", layer.add_feed_forward.norm)

    for i, layer in encoder_layers(model):
        put_shared(f"model.encoder.layers.{i}", layer)
    for i, layer in decoder_layers(model):
        at = f"model.decoder.layers.{i}"
        put_shared(at, layer)
        put_in([f"{at}.encoder_attn.q_proj"], layer.cross.queries)
        put_in([f"{at}.encoder_attn.{name}_proj" for name in "kv"], layer.cross.memory)
        put_out(f"{at}.encoder_attn.out_proj", layer.cross.output)
        put_norm(f"{at}.encoder_attn_layer_norm", layer.add_cross.norm)
    return found


# --- CTranslate2 ------------------------------------------------------------------------------------------------


def ctranslate2_model(model: Transformer, vocabulary: Sequence[str], folder: Path) -> Translator:
    """The model in CTranslate2, float32, one thread. `vocabulary` names every token in order; the converted model
    stays in `folder`, which is empty before."""
    from ctranslate2 import Translator

    spec = ctranslate2_spec(model, list(vocabulary))
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    return Translator(str(folder), device="cpu", compute_type="float32", inter_threads=1, intra_threads=1)


def ctranslate2_spec(model: Transformer, vocabulary: list[str]) -> TransformerSpec:
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    shape = Shape.of(model)
    spec: Any = TransformerSpec.from_config(shape.layers, shape.heads, pre_norm=False, activation=Activation.RELU)
    weight = model.logits_weight.detach().numpy()
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = spec.decoder.projection.weight = weight
    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings = math.sqrt(shape.d_model)
        side.position_encodings.encodings = model.target.positions.table.numpy()
    for (_, layer), other in zip(encoder_layers(model), spec.encoder.layer, strict=True):
        set_shared(other, layer)
    for (_, layer), other in zip(decoder_layers(model), spec.decoder.layer, strict=True):
        set_shared(other, layer)
        set_attention(other.attention, [layer.cross.queries, layer.cross.memory, layer.cross.output])
        set_norm(other.attention.layer_norm, layer.add_cross.norm)
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.config.bos_token = spec.config.decoder_start_token = SPECIAL[START]
    spec.config.eos_token, spec.config.unk_token = SPECIAL[END], SPECIAL[UNKNOWN]
    return spec


def set_shared(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:
    set_attention(spec.self_attention, [layer.attention.project, layer.attention.output])
    set_norm(spec.self_attention.layer_norm, layer.add_attention.norm)
    set_linear(spec.ffn.linear_0, layer.feed_forward.inner)
    set_linear(spec.ffn.linear_1, layer.feed_forward.outer)
    set_norm(spec.ffn.layer_norm, layer.add_feed_forward.norm)


def set_attention(spec: Any, layers: list[nn.Linear]) -> None:
    for linear, layer in zip(spec.linear, layers, strict=True):
        set_linear(linear, layer)


def set_linear(spec: Any, layer: nn.Linear) -> None:
    spec.weight, spec.bias = (parts(layer)[name].numpy() for name in ("weight", "bias"))


def set_norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = (parts(norm)[name].numpy() for name in ("weight", "bias"))
