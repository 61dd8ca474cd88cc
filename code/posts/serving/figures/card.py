"""The post's picture: engines on the same weights. Read at the size of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, card

from posts.serving.figures.curves import LINES, rows_of, speeds

if TYPE_CHECKING:
    from lockstep.run import Run

SHOWN = {  # each engine: its name, at which end of its line that stands, and how far from it in points
    "ours, int8": ("our engine", max, (-4, 9), "right"),
    "CTranslate2, int8": ("CTranslate2", max, (2, -38), "right"),
    "llama.cpp, Q4_0": ("llama.cpp", min, (0, 10), "left"),
}


def draw(run: Run) -> dict[str, Any]:
    """Lines of speed against the size of the batch, each named at its end."""
    rows = [row for row in rows_of(run, "contest") if row["engine"] in SHOWN]
    with card(run) as (drawn, axes):
        speeds(axes, rows, linewidth=2.5)
        for engine, (name, end, offset, side) in SHOWN.items():
            written = [row for row in rows if row["engine"] == engine and row["what"] == "decode"]
            if written:
                at = end(written, key=lambda row: row["batch"])
                axes.annotate(name, (at["batch"], at["speed"]), offset, textcoords="offset points", ha=side,
                              size=13, color=LINES[engine][0])  # fmt: skip
        axes.tick_params(labelsize=11, colors=MUTED)
        drawn.suptitle("One engine, many requests at once", size=13, color=INK)
        drawn.supxlabel("tokens per CPU second, by requests at once", size=11, color=MUTED)
    return {}
