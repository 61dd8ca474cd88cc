"""The GGUF container: metadata by key, and tensors as they are stored, from the bytes of a file.

gguf's own reader takes a path and maps the file; a stage has bytes that were verified. What is in a tensor is left to
gguf. The layout is that of the format's specification, version 3: counts, then keys with typed values, then for each
tensor its name, sizes, type and offset, then the tensors, aligned.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

SCALARS = dict(enumerate(("B", "b", "H", "h", "I", "i", "f", "?")))  # type numbers 0 to 7
SCALARS |= {10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9
VERSION = 3
ALIGNMENT = 32  # where the file states no other


@dataclass(frozen=True)
class Stored:
    """A tensor of the file: its rows and columns, outermost first, how it is quantised, and its bytes."""

    name: str
    sizes: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    content: NDArray[np.uint8]

    def values(self) -> NDArray[np.float32]:
        """Its numbers in float32."""
        rows = self.content.reshape(*self.sizes[:-1], -1)
        return np.array(gguf.dequantize(rows, self.kind), np.float32).reshape(self.sizes)


class _Reading:
    """A place in the bytes that moves on with every value."""

    def __init__(self, content: NDArray[np.uint8]):
        self.content, self.at = memoryview(content.data), 0

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.content, self.at)
        self.at += struct.calcsize(f"<{code}")
        return value

    def text(self) -> str:
        length = self.number("Q")
        self.at += length
        return bytes(self.content[self.at - length : self.at]).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, count = self.number("I"), self.number("Q")
            return [self.value(inner) for _ in range(count)]
        if kind not in SCALARS:
            raise ValueError(f"the model file has a value of type {kind}, which version {VERSION} does not know")
        return self.number(SCALARS[kind])


def read(content: NDArray[np.uint8]) -> tuple[dict[str, Any], Iterator[Stored]]:
    """Metadata, and the tensors one by one. Raises ValueError for what is not a GGUF file of version 3."""
    reading = _Reading(content)
    if bytes(reading.content[:4]) != b"GGUF":
        raise ValueError("not a GGUF file")
    reading.at = 4
    if (version := reading.number("I")) != VERSION:
        raise ValueError(f"the model file has version {version} of its format, expected {VERSION}")
    tensors, keys = reading.number("Q"), reading.number("Q")
    metadata = {}
    for _ in range(keys):
        key = reading.text()
        metadata[key] = reading.value(reading.number("I"))
    placed = []
    for _ in range(tensors):
        name = reading.text()
        sizes = tuple(reading.number("Q") for _ in range(reading.number("I")))[::-1]
        placed.append((name, sizes, gguf.GGMLQuantizationType(reading.number("I")), reading.number("Q")))
    alignment = metadata.get("general.alignment", ALIGNMENT)
    begin = -(-reading.at // alignment) * alignment
    return metadata, _stored(content, begin, placed)


def _stored(content: NDArray[np.uint8], begin: int, placed: list[tuple[Any, ...]]) -> Iterator[Stored]:
    for name, sizes, kind, offset in placed:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        length = int(np.prod(sizes)) // block * size
        part = content[begin + offset : begin + offset + length]
        if len(part) != length:
            raise ValueError(f"the model file ends within the tensor {name}")
        yield Stored(name, sizes, kind, part)
