"""The architecture, drawn from architecture.dot by Graphviz, with text as text and the colours of the other figures."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.datasets import Arrays, Made
from lockstep.errors import LockstepError
from lockstep.figures import INK, MUTED, PALETTE, themed

if TYPE_CHECKING:
    from lockstep.run import Run

COLOURS = {"@ink": INK, "@muted": MUTED, "@path": PALETTE[0], "@learn": PALETTE[2]}


def read() -> Arrays:
    """The bytes of architecture.dot."""
    return {"dot": np.frombuffer(Path(__file__).with_name("architecture.dot").read_bytes(), dtype=np.uint8)}


source = Made("serving_architecture", read, licence="MIT")  # as data: a change of the file makes the drawing stale


def draw(run: Run) -> list[dict[str, Any]]:
    """Figure: architecture.svg."""
    drawn = render(run.data("architecture")["dot"].tobytes())
    run.figure("architecture.svg").write_text(drawn, encoding="utf-8")
    return []


def render(text: bytes) -> str:
    """An SVG that follows the reader's scheme. Raises LockstepError without Graphviz, or for what is no graph."""
    if shutil.which("dot") is None:
        raise LockstepError("Graphviz is not installed: the program dot draws the architecture (apt install graphviz)")
    for name, colour in COLOURS.items():
        text = text.replace(name.encode(), colour.encode())
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=False)
    if done.returncode:
        raise LockstepError(f"architecture.dot: {done.stderr.decode().strip()}")
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", done.stdout.decode("utf-8"), flags=re.DOTALL)
    return themed(re.sub(r"(<svg[^>]*>)", r"\1<defs></defs>", svg, count=1))
