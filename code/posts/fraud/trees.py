"""Trees of a LightGBM model as plain numbers: what reasons are computed from, and what the page evaluates.

Only what the post trains is supported, and anything else is refused: numerical splits `x ≤ threshold`, one output, a
sigmoid. Thresholds stay float64: on a value equal to a threshold, float32 would choose the other side.

    packed file   "TREES1", counts, then columns: for each tree its first node and first leaf; for each node feature,
                  children (a negative child −1−k is leaf k of the tree), threshold, value; for each leaf its value
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from lockstep.errors import LockstepError

Array = np.ndarray[Any, Any]
MAGIC = b"TREES1\0\0"
COUNTS = struct.Struct("<III")
COLUMNS = {"value": "<f8", "threshold": "<f8", "leaf": "<f8", "first_node": "<u4", "first_leaf": "<u4"} | {
    "left": "<i2",
    "right": "<i2",
    "feature": "u1",
}


@dataclass(frozen=True)
class Trees:
    """All trees one after another. `value` of a node is the mean of its training rows: where contributions start."""

    first_node: list[int]
    first_leaf: list[int]
    feature: list[int]
    left: list[int]
    right: list[int]
    threshold: list[float]
    value: list[float]
    leaf: list[float]
    width: int

    def raw(self, x: list[float]) -> float:
        """The sum of leaves, in log odds."""
        return math.fsum(self.leaf[self._leaf(tree, x)] for tree in range(len(self.first_node)))

    def score(self, x: list[float]) -> float:
        """Probability of fraud."""
        return 1 / (1 + math.exp(-self.raw(x)))

    def contributions(self, x: list[float]) -> list[float]:
        """How far each feature moved the log odds: along each path, the change of the mean goes to the feature that
        was split on. They add up to the score minus the mean of the roots."""
        moved = [0.0] * self.width
        for tree, base in enumerate(self.first_node):
            node = 0 if self._inner(tree) else -1
            while node >= 0:
                at = base + node
                feature = self.feature[at]
                node = self.left[at] if x[feature] <= self.threshold[at] else self.right[at]
                after = self.value[base + node] if node >= 0 else self.leaf[self.first_leaf[tree] - 1 - node]
                moved[feature] += after - self.value[at]
        return moved

    def _inner(self, tree: int) -> bool:
        following = self.first_node[tree + 1] if tree + 1 < len(self.first_node) else len(self.feature)
        return following > self.first_node[tree]

    def _leaf(self, tree: int, x: list[float]) -> int:
        base, node = self.first_node[tree], 0 if self._inner(tree) else -1
        while node >= 0:
            at = base + node
            node = self.left[at] if x[self.feature[at]] <= self.threshold[at] else self.right[at]
        return self.first_leaf[tree] - 1 - node


def from_model(model: dict[str, Any]) -> Trees:
    """From `Booster.dump_model()`. Raises LockstepError for a kind of tree that is not supported here."""
    if model["num_class"] != 1 or not model["objective"].startswith("binary"):
        raise LockstepError(f"only a model of one probability can be packed, not {model['objective']}")
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for tree in model["tree_info"]:
        columns["first_node"].append(len(columns["feature"]))
        columns["first_leaf"].append(len(columns["leaf"]))
        _add(tree["tree_structure"], columns)
    return Trees(width=model["max_feature_idx"] + 1, **columns)


def _add(root: dict[str, Any], columns: dict[str, list[Any]]) -> None:
    """One tree, nodes and leaves each in the order in which they are met."""
    first_node, first_leaf = columns["first_node"][-1], columns["first_leaf"][-1]

    def place(part: dict[str, Any]) -> int:
        if "split_feature" not in part:
            columns["leaf"].append(part["leaf_value"])
            return -(len(columns["leaf"]) - first_leaf)
        if part["decision_type"] != "<=":
            raise LockstepError(f"only splits by ≤ can be packed, not {part['decision_type']}")
        node = len(columns["feature"])
        columns["feature"].append(part["split_feature"])
        columns["threshold"].append(part["threshold"])
        columns["value"].append(part["internal_value"])
        columns["left"].append(0)
        columns["right"].append(0)
        columns["left"][node] = place(part["left_child"])
        columns["right"][node] = place(part["right_child"])
        return node - first_node

    place(root)


def pack(trees: Trees) -> bytes:
    """As the page reads it."""
    counts = len(trees.first_node), len(trees.feature), len(trees.leaf)
    parts = [MAGIC, COUNTS.pack(*counts), trees.width.to_bytes(4, "little")]
    return b"".join([*parts, *(np.array(getattr(trees, name), dtype=kind).tobytes() for name, kind in COLUMNS.items())])


def unpack(packed: bytes) -> Trees:
    """What `pack` wrote. Raises LockstepError for anything else."""
    if packed[: len(MAGIC)] != MAGIC:
        raise LockstepError("these are no packed trees")
    counts = dict(zip(("tree", "node", "leaf"), COUNTS.unpack_from(packed, len(MAGIC)), strict=True))
    width = int.from_bytes(packed[len(MAGIC) + COUNTS.size :][:4], "little")
    offset, columns = len(MAGIC) + COUNTS.size + 4, {}
    for name, kind in COLUMNS.items():
        count = counts["tree" if name.startswith("first") else "leaf" if name == "leaf" else "node"]
        columns[name] = np.frombuffer(packed, kind, count, offset).tolist()
        offset += count * np.dtype(kind).itemsize
    return Trees(width=width, **columns)
