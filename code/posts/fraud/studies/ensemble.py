"""The same trees for ONNX Runtime: as float64, and as float32, which is what converters write by default.

A split asks `x ≤ threshold`. Rounded to float32, a feature and a threshold that were close can trade places, so a row
may take another path (reported of converters as onnxmltools 728). The operator TreeEnsemble, of version 5, has both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from posts.fraud.trees import Trees

Array = np.ndarray[Any, Any]
KINDS = {"float64": (TensorProto.DOUBLE, np.float64), "float32": (TensorProto.FLOAT, np.float32)}
OPSETS = {"ai.onnx.ml": 5, "": 18}
AT_MOST, SUM = 0, 1  # the operator's numbers for x ≤ threshold, and for adding leaves up


def nodes(trees: Trees) -> tuple[list[int], list[list[int]]]:
    """Roots of the trees, and of each node: feature, child and whether it is a leaf, for yes and for no.

    Raises ValueError for a tree without a split.
    """
    ends, rows = [*trees.first_node[1:], len(trees.feature)], []
    for tree, (node, leaf) in enumerate(zip(trees.first_node, trees.first_leaf, strict=True)):
        if ends[tree] == node:
            raise ValueError(f"tree {tree} has no split")
        for at in range(node, ends[tree]):
            row = [trees.feature[at]]
            for child in (trees.left[at], trees.right[at]):
                row += [node + child, 0] if child >= 0 else [leaf - 1 - child, 1]
            rows.append(row)
    return trees.first_node, rows


def model(trees: Trees, kind: str) -> bytes:
    """An ONNX model from features (N, F) to probabilities (N, 1), in float64 or float32."""
    (roots, rows), (tensor, dtype) = nodes(trees), KINDS[kind]
    feature, yes, yes_leaf, no, no_leaf = (list(column) for column in zip(*rows, strict=True))

    def numbers(name: str, values: list[float]) -> Any:
        return helper.make_tensor(name, tensor, [len(values)], np.array(values, dtype))

    modes = helper.make_tensor("nodes_modes", TensorProto.UINT8, [len(rows)], [AT_MOST] * len(rows))
    ensemble = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["raw"],
        domain="ai.onnx.ml",
        tree_roots=roots,
        nodes_featureids=feature,
        nodes_modes=modes,
        nodes_splits=numbers("nodes_splits", trees.threshold),
        nodes_truenodeids=yes,
        nodes_trueleafs=yes_leaf,
        nodes_falsenodeids=no,
        nodes_falseleafs=no_leaf,
        leaf_targetids=[0] * len(trees.leaf),
        leaf_weights=numbers("leaf_weights", trees.leaf),
        n_targets=1,
        aggregate_function=SUM,
    )
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", ["raw"], ["score"])],
        "trees",
        [helper.make_tensor_value_info("x", tensor, [None, trees.width])],
        [helper.make_tensor_value_info("score", tensor, [None, 1])],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def scorer(trees: Trees, kind: str) -> Callable[[Array], Array]:
    """Probabilities (N,) from features (N, F), on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model(trees, kind), options, providers=["CPUExecutionProvider"])
    dtype = KINDS[kind][1]
    return lambda x_NF: np.asarray(session.run(None, {"x": x_NF.astype(dtype, copy=False)})[0])[:, 0]
