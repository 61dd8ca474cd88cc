"""The architecture, drawn from architecture.dot by Graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.datasets import Arrays, Made
from lockstep.figures import INK, MUTED, PALETTE, diagram

if TYPE_CHECKING:
    from lockstep.run import Run

COLOURS = {"@ink": INK, "@muted": MUTED, "@path": PALETTE[0], "@learn": PALETTE[2]}


def read() -> Arrays:
    """The bytes of architecture.dot."""
    return {"dot": np.frombuffer(Path(__file__).with_name("architecture.dot").read_bytes(), dtype=np.uint8)}


source = Made("serving_architecture", read, licence="MIT")  # as data: a change of the file makes the drawing stale


def draw(run: Run) -> list[dict[str, Any]]:
    """Figure: architecture.svg."""
    drawn = diagram(run.data("architecture")["dot"].tobytes(), COLOURS)
    run.figure("architecture.svg").write_text(drawn, encoding="utf-8")
    return []
