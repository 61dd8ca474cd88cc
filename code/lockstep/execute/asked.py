"""The runs that a command line asks for, by seeds and places of a grid."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.errors import LockstepError, nearest
from lockstep.execute.plan import Selection, upstream
from lockstep.project.post import Post


def selection(
    post: Post, stages: list[str] | None, force: bool, seeds: Sequence[int] | None, where: Sequence[str] | None
) -> Selection:
    """The runs that are asked for. Raises LockstepError for a seed or a place that no run has."""
    _has_seeds(post, stages, seeds or ())
    points = tuple(_point(post, stages, text) for text in where or ())
    return Selection(frozenset(stages) if stages else None, force, frozenset(seeds) if seeds else None, where=points)


def _point(post: Post, stages: list[str] | None, text: str) -> tuple[str, str]:
    """`KEY=VALUE`, which some run of these stages must have. Raises LockstepError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise LockstepError(f'"{text}" is no place in a grid: write KEY=VALUE')
    points = [keys for name in stages or post.experiment.stages for keys in post.experiment.stages[name].points()]
    target = ".".join([post.slug, *(stages or [])])
    if key not in (known := {name for keys in points for name in keys}):
        raise LockstepError(f'{target} has no key "{key}"{nearest(key, known)}')
    if value not in (values := {str(keys[key]) for keys in points if key in keys}):
        raise LockstepError(f'{target} has no {key} "{value}"{nearest(value, values)}')
    return key, value


def _has_seeds(post: Post, stages: list[str] | None, seeds: Sequence[int]) -> None:
    """Raises LockstepError for a seed that no run of these stages has, nor any that they read."""
    asked = [post.experiment.stages[name] for name in stages or post.experiment.stages]
    read = [run for stage in asked for keys in stage.points() for run in [(stage, keys), *upstream(stage, keys)]]
    known = sorted({keys["seed"] for _, keys in read if "seed" in keys})
    if unknown := [seed for seed in seeds if seed not in known]:
        there = f"there are {', '.join(map(str, known))}" if known else "its stages have none"
        raise LockstepError(f"{'.'.join([post.slug, *(stages or [])])} has no seed {unknown[0]}: {there}")
