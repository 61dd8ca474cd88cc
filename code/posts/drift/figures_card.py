"""The post's picture: every edit under every tool, and where a wrong number stayed. Read at the size of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, card

from posts.drift.figures import NAMES, collect, worst

if TYPE_CHECKING:
    from lockstep.run import Run

SHOWN = ("lockstep", "snakemake-plain", "dvc-plain", "pytask-plain")
NOTICED: dict[str, Any] = {"marker": "o", "s": 15, "color": PALETTE[2]}
MARKS: dict[str, dict[str, Any]] = {
    "missed": {"marker": "X", "s": 58, "color": PALETTE[1], "linewidths": 0},
    "not expressible": {"marker": "_", "s": 22, "color": MUTED, "linewidths": 1},
}
SIDE = 2  # lines of marks for a tool: in one, 39 would be dust


def draw(run: Run) -> dict[str, Any]:
    """A dot for each edit that was noticed, a cross for each that was not, a dash where a tool knows no such thing."""
    cells, groups = collect([made.csv("matrix.csv") for made in run.inputs])
    edits = [edit for group in groups.values() for edit in group]
    columns = -(-len(edits) // SIDE)
    with card(run) as (drawn, axes):
        for line, arrangement in enumerate(SHOWN):
            verdicts = [worst(cells[edit, arrangement]) for edit in edits]
            for number, verdict in enumerate(verdicts):
                x, y = number % columns, line * 3 + number // columns
                axes.scatter([x], [y], **MARKS.get(verdict, NOTICED))
            count = verdicts.count("missed")
            middle = line * 3 + 0.5
            name = NAMES[arrangement.partition("-")[0]]
            axes.text(-1.2, middle, name, ha="right", va="center", size=13, color=INK if line == 0 else MUTED)
            colour = PALETTE[1] if count else PALETTE[2]
            axes.text(columns + 0.4, middle, str(count), ha="left", va="center", size=20, color=colour)
        axes.set_xlim(-7.5, columns + 3)
        axes.set_ylim(len(SHOWN) * 3 - 1, -0.8)
        axes.set_axis_off()
        drawn.suptitle(f"{len(edits)} edits, one at a time: × is a wrong number that stayed", size=12, color=INK)
        drawn.supxlabel("the others with only a step’s own script listed", size=10.5, color=MUTED)
    return {}
