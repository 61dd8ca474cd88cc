"""A step of training: our Transformer beside torch.nn.Transformer, and where our time goes.

A step is forward, loss, backward and Adam, by the post's own `batch_loss` and `MasterAdam` for each model. The models
start from the same weights and take turns on the same batches, so that what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from lockstep.errors import LockstepError
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from posts.transformer import model as parts
from posts.transformer import train
from posts.transformer.data import Batch
from posts.transformer.speed.peers import Shape, TorchTransformer, torch_as_it_comes, torch_as_ours

if TYPE_CHECKING:
    from posts.transformer.experiment import Config

WARM = 2  # steps of each model before the clock counts
OURS = "ours"
LABELS = {  # the innermost counts
    "attention": [
        (parts.SelfAttention, "forward"),
        (parts.CrossAttention, "forward"),
        (parts.CrossAttention, "keys_and_values"),
    ],
    "feed-forward": [(parts.FeedForward, "forward")],
    "sums and normalisations": [(parts.Residual, "forward")],
    "embeddings and positions": [(parts.Embedding, "forward")],
    "dropout": [(parts, "dropout")],
    "logits and loss": [(train, "batch_loss")],
    "masks": [(parts.Transformer, "forward")],  # and whatever else of it is none of the parts above
    "optimiser": [(train.MasterAdam, "step")],
}


@dataclass
class Stepper:
    """One model in training."""

    model: nn.Module
    adam: train.MasterAdam
    config: Config
    rng: torch.Generator
    kernels: Callable[[], AbstractContextManager[Any]]

    def __call__(self, batch: Batch) -> None:
        with self.kernels():
            loss = train.batch_loss(self.model, batch, self.config.smoothing, self.rng)
            self.adam.step(loss, self.config.peak_rate / 10)


def steppers(config: Config, model: parts.Transformer, precision: str) -> dict[str, Stepper]:
    """Ours, and torch.nn.Transformer in three ways, all from the weights of `model`.

    With dropout and normalisations only where ours are; the same with its attention by plain matrix products instead of
    its fused kernel; and by its defaults.
    """
    ours = train.build(config, len(model.logits_weight), torch.Generator())
    ours.load_state_dict(model.state_dict())
    shape = Shape.of(model)
    made: dict[str, tuple[nn.Module, Callable[[], AbstractContextManager[Any]]]] = {
        OURS: (ours, nullcontext),
        "torch": (TorchTransformer(model, torch_as_ours(shape)), nullcontext),
        "torch, unfused": (TorchTransformer(model, torch_as_ours(shape)), partial(sdpa_kernel, SDPBackend.MATH)),
        "torch, its defaults": (TorchTransformer(model, torch_as_it_comes(shape)), nullcontext),
    }
    betas = config.beta1, config.beta2
    return {
        name: Stepper(
            one.train(),
            train.MasterAdam(one, precision, betas, config.eps),
            config,
            torch.Generator().manual_seed(0),
            kernels,
        )
        for name, (one, kernels) in made.items()
    }


@torch.no_grad()
def agreement(config: Config, model: parts.Transformer, batch: Batch) -> float:
    """How far the losses of ours and of torch with our weights are apart, without dropout, relative to ours."""
    peer = TorchTransformer(model, torch_as_ours(Shape.of(model))).eval()
    ours, theirs = (float(train.batch_loss(one, batch, config.smoothing)) for one in (model, peer))
    return abs(theirs - ours) / ours


def seconds(models: dict[str, Stepper], batches: list[Batch]) -> dict[str, list[float]]:
    """Of each model's step on each batch after the first `WARM`; who is first changes from batch to batch."""
    names = list(models)
    found: dict[str, list[float]] = {name: [] for name in names}
    for i, batch in enumerate(batches):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            models[name](batch)
            if i >= WARM:
                found[name].append(time.perf_counter() - started)
    return found


def compared(found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row a model: median seconds, and the median of the ratios to ours on the same batch."""
    return [
        {
            "model": name,
            "step_seconds": statistics.median(times),
            "step_ratio": statistics.median(their / our for their, our in zip(times, found[OURS], strict=True)),
        }
        for name, times in found.items()
    ]


def measure(config: Config, model: parts.Transformer, batches: list[Batch]) -> list[dict[str, Any]]:
    """Steps of every model in both precisions, then the shares of our time.

    Raises LockstepError where the models do not compute the same.
    """
    apart = agreement(config, model, batches[0])
    if apart > 1e-5:
        raise LockstepError(
            f"with the same weights, the losses of ours and of torch.nn.Transformer differ by {apart:.1e},"
            " at most 1e-05 was expected: do both have the same parts?"
        )
    rows: list[dict[str, Any]] = []
    for precision in train.DTYPES:
        models = steppers(config, model, precision)
        rows += [{"dtype": precision} | row for row in compared(seconds(models, batches))]
        spent = shares(models[OURS], batches[WARM : WARM + 4])
        rows += [{"dtype": precision, "part": part, "share": 100 * share} for part, share in spent.items()]
    return rows


# --- where our time goes ----------------------------------------------------------------------------------------


def labelled(label: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **options: Any) -> Any:
        with torch.profiler.record_function(f"part: {label}"):
            return function(*arguments, **options)

    return wrapper


@contextmanager
def labels() -> Iterator[None]:
    """Every call of what `LABELS` names is marked in the profile."""
    with ExitStack() as stack:
        for label, places in LABELS.items():
            for owner, name in places:
                stack.enter_context(patch.object(owner, name, labelled(label, getattr(owner, name))))
        yield


def shares(step: Stepper, batches: list[Batch]) -> dict[str, float]:
    """Each part's share of the time of a step, forward and backward together, by torch's profiler.

    A node of the backward pass belongs to the part whose forward operation made it: they share a sequence number.
    """
    with labels(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for batch in batches:
            step(batch)
    events = sorted(profile.events() or [], key=lambda event: event.time_range.start)
    made_by = {
        event.sequence_nr: part
        for event in events
        if event.sequence_nr >= 0 and not is_backward(event) and (part := part_of(event, {})) is not None
    }
    spent = dict.fromkeys([*LABELS, "other"], 0.0)
    for event in events:
        spent[part_of(event, made_by) or "other"] += event.self_cpu_time_total
    total = sum(spent.values())
    return {part: time_ / total for part, time_ in spent.items()}


def is_backward(event: Any) -> bool:
    return event.name.startswith("autograd::engine::evaluate_function")


def part_of(event: Any, made_by: dict[int, str]) -> str | None:
    """The part of the innermost mark around an event, or None outside all of them."""
    while event is not None:
        if is_backward(event):
            return made_by.get(event.sequence_nr)
        if event.name.startswith("part: "):
            return event.name.removeprefix("part: ")
        event = event.cpu_parent
    return None
