"""Accept: a change that the author knows to leave results as they are need not cost a night of training."""

from __future__ import annotations

from datetime import UTC, datetime

from lockstep.errors import LockstepError
from lockstep.judge.freshness import Freshness
from lockstep.project.post import Post
from lockstep.record.accepted import Accepted, append


def accept(post: Post, stages: list[str], reason: str) -> list[Accepted]:
    """Let the stale runs of these stages stand, upstream first; returns what was accepted.

    Raises LockstepError, and records nothing, where the reason is empty, a run has never been made, or a run is stale
    only because one that it reads is.
    """
    if not reason.strip():
        raise LockstepError('accepting needs a reason that a reader will understand: --reason "…"')
    made: list[Accepted] = []
    for stage in [stage for name, stage in post.experiment.stages.items() if name in stages]:
        freshness = Freshness(post, pending=made)
        entries = []
        for keys in stage.points():
            state = freshness.state(stage, keys)
            if state.kind == "missing":
                raise LockstepError(f"{post.slug}.{state.name} has never run: there is nothing to accept, run it")
            if state.kind != "stale" or state.line is None:
                continue
            if upstream := [str(each) for each in state.reasons if each.about == "upstream"]:
                raise LockstepError(
                    f"{post.slug}.{state.name} is stale through what it reads ({'; '.join(upstream)}): "
                    "accept or run that first; what read other results cannot be accepted"
                )
            today = freshness.fingerprint_of(stage, keys, state.line)
            date = datetime.now(UTC).strftime("%Y-%m-%d")
            entries.append(Accepted(stage.name, keys, state.line.fingerprint, today, reason.strip(), date, state.told))
        made += entries
    if not made:
        raise LockstepError(f"{post.slug}: nothing of {', '.join(stages)} is stale, so there is nothing to accept")
    append(post.accepted_path, made)
    post.forget()
    return made
