"""What a product with a weight takes, way by way, and the roof that memory puts over a batch of one.

Times are CPU time of one thread, the median of many sweeps over the products of all layers, each with weights of its
own, so that they come from memory as they do in a step and not from a cache. The bandwidth is that of reading an array
far larger than any cache. A batch of one reads every weight once a token, so bandwidth over bytes is its roof.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from posts.serving.linear import Int8, Packed, Plain, rounded
from posts.serving.lora import sizes
from posts.serving.weights import read

if TYPE_CHECKING:
    from lockstep.run import Run

BYTES = {"float32": 4.0, "int8": 1.0, "Q4_0": 0.5625}  # a weight; Q4_0 has 18 bytes for 32


def median_of(work: Callable[[], Any], calls: int) -> float:
    """CPU seconds of a call."""
    work()
    found = []
    for _ in range(calls):
        began = time.process_time_ns()
        work()
        found.append(time.process_time_ns() - began)
    return float(np.median(found)) / 1e9


def ways(w_OI: torch.Tensor, x_NI: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """The ways to multiply. `as served` has everything that Int8 does, the two before it the product alone."""
    largest_I = x_NI.abs().amax(dim=0)
    made, (q_NI, _), (w_q, scale_O1) = Int8(w_OI, largest_I, 16, 0.5), rounded(x_NI), rounded(w_OI)
    q_OI, scale_O = w_q.to(torch.int8), scale_O1[:, 0].contiguous()
    packed, plain = Packed(q_OI, scale_O), Plain(q_OI, scale_O)
    w_half, x_half = w_OI.bfloat16(), x_NI.bfloat16()
    return {
        "float32": lambda: F.linear(x_NI, w_OI),
        "bfloat16": lambda: F.linear(x_half, w_half),
        "int8, arranged in each call": lambda: plain(q_NI),
        "int8, arranged once": lambda: packed(q_NI.clone()),
        "int8, as served": lambda: made(x_NI),
    }


def bandwidth(calls: int, size: int = 1 << 26) -> float:
    """GB a second that one thread reads."""
    content = np.ones(size, np.float32)
    return content.nbytes / median_of(content.sum, calls) / 1e9


@torch.inference_mode()
def measure(run: Run) -> list[dict[str, Any]]:
    """CPU milliseconds of all products of the blocks, for each way and batch; and roofs in tokens a second."""
    config, shape = run.config, read(run.data("base")).shape
    generator, rows = torch.Generator().manual_seed(0), []
    torch.set_num_threads(1)
    for batch in config.batches:
        totals: dict[str, float] = {}
        for inputs, outputs in sizes(shape).values():
            x_NI = torch.randn(batch, inputs, generator=generator)
            layers = [ways(torch.randn(outputs, inputs, generator=generator), x_NI) for _ in range(shape.layers)]
            for name in layers[0]:
                took = median_of(lambda name=name, layers=layers: [layer[name]() for layer in layers], config.calls)
                totals[name] = totals.get(name, 0.0) + 1000 * took
        rows += [{"way": name, "batch": batch, "products": took} for name, took in totals.items()]
    weights = shape.layers * sum(i * o for i, o in sizes(shape).values()) + shape.vocabulary * shape.d_model
    speed = bandwidth(max(3, config.calls // 10))
    roofs = [{"way": name, "roof": speed * 1e9 / (weights * each)} for name, each in BYTES.items()]
    return rows + roofs + [{"way": "memory", "bandwidth": speed}]
