"""What a check costs where nothing has changed: every tool side by side, in turn, on projects of the same size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.errors import LockstepError

from posts.drift.many import CHECKS, Check
from posts.drift.tools import Cost, environment, remove, start, temporary, timed, version_of

if TYPE_CHECKING:
    from lockstep.run import Run

OURS = "lockstep"


def measure(run: Run) -> list[dict[str, Any]]:
    """CPU and wall seconds of each tool's check, and each over ours of the same round; one row a tool and round.

    Rounds stand in for seeds. In each, every tool is asked once, one after the other.
    """
    config = run.config
    checks = {name: CHECKS[name] for name in config.timed}
    for check in checks.values():
        version_of(check.tool, getattr(config, check.tool))
    rows = []
    with temporary() as folder:
        projects: dict[str, Path] = {}
        for number, check in enumerate(checks.values()):
            if check.tool not in projects:
                projects[check.tool] = set_up(check, config.posts, Path(folder, check.tool, "project"))
                run.progress(number + 1, len(checks) + config.rounds)
        for round_number in range(config.rounds):
            costs = {name: ask(check, projects[check.tool]) for name, check in checks.items()}
            rows += compared(costs, round_number)
            run.progress(len(checks) + round_number + 1, len(checks) + config.rounds)
    return rows


def set_up(check: Check, posts: int, folder: Path) -> Path:
    """A project in which nothing is left to do; the tool has said so once, and filled whatever caches it has."""
    for name, text in check.files(posts).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for command in check.build(posts):
        start(command, folder, environment(folder))
    if check.says not in (said := start(check.check, folder, environment(folder))):
        raise LockstepError(f"{check.check} does not say {check.says!r} of what was just built: {said[-500:]}")
    return folder


def ask(check: Check, folder: Path) -> Cost:
    """The cost of one check."""
    if check.forget:
        remove(folder / check.forget)
    return timed(check.check, folder, environment(folder))


def compared(costs: Mapping[str, Cost], round_number: int) -> list[dict[str, Any]]:
    """A round's rows: seconds, and the ratio to ours."""
    ours = costs[OURS]
    return [
        {
            "asked": name,
            "seed": round_number,
            "cpu_seconds": cost.cpu,
            "wall_seconds": cost.wall,
            "cpu_ratio": cost.cpu / ours.cpu,
            "wall_ratio": cost.wall / ours.wall,
        }
        for name, cost in costs.items()
    ]
