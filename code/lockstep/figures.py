"""Figures that are the same bytes every time and read well in light and dark.

matplotlib draws in placeholder colours, which become CSS variables in the SVG; a rule for dark schemes gives them
their other values. Text stays text. Importing this costs nothing: matplotlib is imported where it is used.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INK, MUTED, GRID = "#1c1b1a", "#6b6862", "#dcd8d0"
# Okabe and Ito's colours, without the yellow that vanishes on white: told apart with any colour vision
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DARK = {
    INK: "#e8e4dc",
    MUTED: "#a19c93",
    GRID: "#3a3833",
    "#0072b2": "#5cb3e6",
    "#d55e00": "#f08a4b",
    "#009e73": "#3fc99d",
    "#cc79a7": "#e3a0c6",
    "#56b4e9": "#8fd0f5",
    "#e69f00": "#f2bd55",
}
FONT = "'Source Serif 4', Georgia, serif"


@contextmanager
def figure(path: Path, width: float = 6.6, height: float = 3.4, **subplots: Any) -> Iterator[tuple[Any, Any]]:
    """`with figure(path) as (figure, axes):` draws, and writes an SVG at the end. Sizes in inches."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from cycler import cycler

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "lockstep",
        "font.family": "serif",
        "font.size": 10.5,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.linewidth": 1.4,
        "legend.frameon": False,
        "axes.prop_cycle": cycler(color=PALETTE),
        "figure.constrained_layout.use": True,
    }
    with plt.rc_context(style):
        drawn, axes = plt.subplots(figsize=(width, height), **subplots)
        yield drawn, axes
        text = io.StringIO()
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(drawn)
    path.write_text(themed(text.getvalue()), encoding="utf-8")


def themed(svg: str) -> str:
    """The SVG with its colours as variables that follow the reader's scheme."""
    names = {colour: f"--c{number}" for number, colour in enumerate(DARK)}
    for colour, name in names.items():
        svg = svg.replace(colour, f"var({name})")
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{DARK[colour]};" for colour, name in names.items())
    in_dark = f"svg{{{dark}}}image{{filter:invert(.91)}}"
    rules = f"svg{{{light}}}@media (prefers-color-scheme:dark){{{in_dark}}}text{{font-family:{FONT}!important}}"
    rules += "image{image-rendering:pixelated}"
    head, end, rest = svg.partition("<defs>")
    return f"{head}<style>{rules}</style>{end}{rest}"


def tiles(images: Any, columns: int, side: int, gap: int = 2) -> Any:
    """Images (N, side·side) in [0, 1] as one picture, `columns` to a row, white between them."""
    import numpy as np

    rows = -(-len(images) // columns)
    sheet = np.ones((rows * (side + gap) - gap, columns * (side + gap) - gap), dtype=np.float32)
    for number, image in enumerate(images):
        top, left = (number // columns) * (side + gap), (number % columns) * (side + gap)
        sheet[top : top + side, left : left + side] = 1 - np.asarray(image).reshape(side, side)
    return sheet
