"""The Transformer as two ONNX graphs over one file of weights: what the demo in the page computes with.

`encoder` maps source tokens to each decoder layer's keys and values of the source; `decoder` writes one token for each
row, as decode.py's `Steps` does. Neither holds a weight: both name places in the safetensors file that training kept
(ONNX calls it external data). So the page runs the very file that the numbers came from, and loads it once.
The weights are float16 there; every graph widens them, and computes in float32.

Nothing is masked: the sentences of a batch are of one length. Shape legend as in model.py; R rows, one for each
hypothesis, L layers, P positions that were written before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 9  # since ONNX 1.14: LayerNormalization in one node, and nothing newer is needed
TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}  # as safetensors and ONNX call them


@dataclass(frozen=True)
class Sizes:
    """What the weights do not say of themselves."""

    layers: int
    heads: int
    d_k: int


def stored(path: Path) -> dict[str, TensorProto]:
    """The tensors of a safetensors file by name, each as the place where it lies. Raises ValueError at another type."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in TYPES:
            raise ValueError(f"{path.name}: {name} is {entry['dtype']}, expected one of {', '.join(TYPES)}")
        first, last = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TYPES[entry["dtype"]], dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", path.name), ("offset", 8 + length + first), ("length", last - first)):
            tensor.external_data.add(key=key, value=str(value))
        found[name] = tensor
    return found


class Graph:
    """Nodes in the order in which they are asked for. Values are called by name; a node's name is that of its value."""

    def __init__(self, weights: Mapping[str, TensorProto], sizes: Sizes):
        self.weights, self.sizes = weights, sizes
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.wide: dict[str, str] = {}

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, value: ArrayLike, dtype: Any = np.int64) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def weight(self, name: str) -> str:
        """A tensor of the file, widened to float32 once."""
        if name not in self.wide:
            self.initializers[name] = self.weights[name]
            self.wide[name] = self.node("Cast", name, to=TensorProto.FLOAT)
        return self.wide[name]

    def embedding(self, side: str) -> str:
        """The matrix (V, D) of "source", "target" or the logits; tied, all three are the last."""
        return self.weight(f"{side}.weight" if f"{side}.weight" in self.weights else "logits_weight")

    @property
    def width(self) -> int:
        return self.weights["logits_weight"].dims[1]

    def linear(self, name: str, x: str) -> str:
        transposed = self.node("Transpose", self.weight(f"{name}.weight"), perm=[1, 0])
        return self.node("Add", self.node("MatMul", x, transposed), self.weight(f"{name}.bias"))

    def add_and_norm(self, name: str, x: str, sublayer: str) -> str:
        parts = self.node("Add", x, sublayer), self.weight(f"{name}.norm.weight"), self.weight(f"{name}.norm.bias")
        return self.node("LayerNormalization", *parts, axis=-1, epsilon=1e-5)

    def feed_forward(self, name: str, x: str) -> str:
        return self.linear(f"{name}.outer", self.node("Relu", self.linear(f"{name}.inner", x)))

    def pick(self, x: str, index: int) -> str:
        """x[index]"""
        return self.node("Gather", x, self.constant(index), axis=0)

    def stack(self, parts: list[str], name: str) -> str:
        """Tensors of one shape along a new first axis."""
        wider = [self.node("Unsqueeze", part, self.constant([0])) for part in parts]
        return self.node("Concat", *wider, name=name, axis=0)

    def split(self, x_BLX: str, parts: int) -> list[str]:
        """(B, L, parts·H·C) to `parts` tensors (B, H, L, C)."""
        shape = self.constant([0, 0, parts, self.sizes.heads, self.sizes.d_k])  # a zero stands for the size as it is
        apart = self.node("Transpose", self.node("Reshape", x_BLX, shape), perm=[2, 0, 3, 1, 4])
        return [self.pick(apart, part) for part in range(parts)]

    def attend(self, name: str, q_BHQC: str, k_BHKC: str, v_BHKC: str) -> tuple[str, str]:
        """The output (B, Q, D) of an attention, and its weights (B, H, Q, K)."""
        scaled = self.node("Mul", q_BHQC, self.constant(self.sizes.d_k**-0.5, np.float32))
        scores = self.node("MatMul", scaled, self.node("Transpose", k_BHKC, perm=[0, 1, 3, 2]))
        weights = self.node("Softmax", scores, axis=-1)
        heads = self.node("Transpose", self.node("MatMul", weights, v_BHKC), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", heads, self.constant([0, 0, self.sizes.heads * self.sizes.d_k]))
        return self.linear(f"{name}.output", joined), weights

    def embed(self, side: str, tokens: str, positions_N: str) -> str:
        """Tokens (…, N) to vectors (…, N, D) with positions added; `positions_N` are float32."""
        vectors = self.node("Gather", self.embedding(side), tokens, axis=0)
        scaled = self.node("Mul", vectors, self.constant(self.width**0.5, np.float32))
        return self.node("Add", scaled, self.positions(side, positions_N))

    def positions(self, side: str, positions_N: str) -> str:
        """The rows (N, D) of the learned table, or section 3.5's sinusoids."""
        if f"{side}.positions.table" in self.weights:
            rows_N = self.node("Cast", positions_N, to=TensorProto.INT64)
            return self.node("Gather", self.weight(f"{side}.positions.table"), rows_N, axis=0)
        rates = np.exp(-np.log(10_000) * np.arange(0, self.width, 2) / self.width)
        column = self.node("Unsqueeze", positions_N, self.constant([1]))
        angles = self.node("Mul", column, self.constant(rates, np.float32))
        last = self.constant([-1])
        waves = [self.node("Unsqueeze", self.node(kind, angles), last) for kind in ("Sin", "Cos")]
        return self.node("Reshape", self.node("Concat", *waves, axis=-1), self.constant([-1, self.width]))

    def save(self, path: Path, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Write the graph, its inputs and outputs given as {name: (type, shape)}. Checked as ONNX checks it."""
        given, made = (
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in side.items()]
            for side in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, path.stem, given, made, list(self.initializers.values()))
        model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(path), full_check=True)


def export_encoder(weights: Path, sizes: Sizes, path: Path) -> None:
    """source (B, S) to source_keys and source_values (L, B, H, S, C). The path lies beside the weights."""
    graph = Graph(stored(weights), sizes)
    length = graph.node("Squeeze", graph.node("Shape", "source", start=1, end=2))
    counted = graph.node("Range", graph.constant(0), length, graph.constant(1))
    x = graph.embed("source", "source", graph.node("Cast", counted, to=TensorProto.FLOAT))
    for i in range(sizes.layers):
        name = f"encoder.{i}"
        attended, _ = graph.attend(f"{name}.attention", *graph.split(graph.linear(f"{name}.attention.project", x), 3))
        x = graph.add_and_norm(f"{name}.add_attention", x, attended)
        x = graph.add_and_norm(f"{name}.add_feed_forward", x, graph.feed_forward(f"{name}.feed_forward", x))
    pairs = [graph.split(graph.linear(f"decoder.{i}.cross.memory", x), 2) for i in range(sizes.layers)]
    for name, parts in zip(("source_keys", "source_values"), zip(*pairs, strict=True), strict=True):
        graph.stack(list(parts), name)
    memory = TensorProto.FLOAT, [sizes.layers, "batch", sizes.heads, "source_length", sizes.d_k]
    inputs = {"source": (TensorProto.INT32, ["batch", "source_length"])}
    graph.save(path, inputs, {"source_keys": memory, "source_values": memory})


def export_decoder(weights: Path, sizes: Sizes, path: Path) -> None:
    """One step: the newest token of each row to the logits (R, V) of the next, and the keys and values so far.

    `parents` (R,) says which row of the pasts (L, R', H, P, C) each row goes on from; the new ones are
    (L, R, H, P + 1, C), and P is the position. The source's keys and values have R rows, or one for all. `attention`
    (L, R, H, S) are the weights over the source. The path lies beside the weights.
    """
    graph = Graph(stored(weights), sizes)
    position = graph.node("Cast", graph.node("Shape", "past_keys", start=3, end=4), to=TensorProto.FLOAT)
    x_RD = graph.embed("target", "tokens", position)
    x = graph.node("Unsqueeze", x_RD, graph.constant([1]))  # (R, 1, D)
    pasts = [graph.node("Gather", name, "parents", axis=1) for name in ("past_keys", "past_values")]
    grown, looked = [], []
    for i in range(sizes.layers):
        name = f"decoder.{i}"
        q, *new = graph.split(graph.linear(f"{name}.attention.project", x), 3)
        k, v = (graph.node("Concat", graph.pick(past, i), part, axis=2) for past, part in zip(pasts, new, strict=True))
        attended, _ = graph.attend(f"{name}.attention", q, k, v)
        x = graph.add_and_norm(f"{name}.add_attention", x, attended)
        (q,) = graph.split(graph.linear(f"{name}.cross.queries", x), 1)
        memory = graph.pick("source_keys", i), graph.pick("source_values", i)
        attended, weights_RH1S = graph.attend(f"{name}.cross", q, *memory)
        x = graph.add_and_norm(f"{name}.add_cross", x, attended)
        x = graph.add_and_norm(f"{name}.add_feed_forward", x, graph.feed_forward(f"{name}.feed_forward", x))
        grown.append((k, v))
        looked.append(graph.node("Squeeze", weights_RH1S, graph.constant([2])))
    state_RD = graph.node("Squeeze", x, graph.constant([1]))
    graph.node("Gemm", state_RD, graph.embedding("logits"), name="logits", transB=1)
    for name, parts in zip(("keys", "values"), zip(*grown, strict=True), strict=True):
        graph.stack(list(parts), name)
    graph.stack(looked, "attention")

    layers, heads, d_k, vocabulary = sizes.layers, sizes.heads, sizes.d_k, graph.weights["logits_weight"].dims[0]
    row = TensorProto.INT32, ["rows"]
    past = TensorProto.FLOAT, [layers, "rows_before", heads, "past", d_k]
    memory = TensorProto.FLOAT, [layers, "sources", heads, "source_length", d_k]
    now = TensorProto.FLOAT, [layers, "rows", heads, "length", d_k]
    inputs = {"tokens": row, "parents": row, "past_keys": past, "past_values": past}
    outputs = {"logits": (TensorProto.FLOAT, ["rows", vocabulary]), "keys": now, "values": now}
    outputs["attention"] = TensorProto.FLOAT, [layers, "rows", heads, "source_length"]
    graph.save(path, inputs | {"source_keys": memory, "source_values": memory}, outputs)
