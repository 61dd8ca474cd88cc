"""Figures: the matrix of edits and tools, and the time of a check over the number of posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, figure

if TYPE_CHECKING:
    from lockstep.run import Input, Run

# shape and colour both tell: any of the two is enough
MARKS: dict[str, dict[str, Any]] = {
    "right": {"marker": "o", "s": 12, "color": PALETTE[2]},
    "needless": {"marker": "^", "s": 34, "facecolors": "none", "edgecolors": PALETTE[0], "linewidths": 1.3},
    "missed": {"marker": "X", "s": 52, "color": PALETTE[1], "linewidths": 0},
    "not expressible": {"marker": "_", "s": 22, "color": MUTED, "linewidths": 1},
}
NAMES = {"lockstep": "lockstep", "snakemake": "Snakemake", "dvc": "DVC", "pytask": "pytask"}
LINES = {  # name, colour, marker, and by how many points its label is moved up
    "lockstep": ("lockstep", PALETTE[0], "o", 0),
    "lockstep-first": ("lockstep, first check", PALETTE[0], "D", -5),
    "snakemake": ("Snakemake", PALETTE[2], "s", 0),
    "dvc": ("DVC", PALETTE[1], "^", 4),
    "pytask": ("pytask", PALETTE[3], "v", 1),
}
Cells = dict[tuple[str, str], list[str]]  # verdicts by (edit, arrangement), one for each seed


def draw(run: Run) -> list[dict[str, Any]]:
    """Draw both. Rows: cells of the matrix, and in how many of them all seeds agree."""
    tables = [made.csv("matrix.csv") for made in run.inputs if made.stage == "matrix"]
    cells, groups = collect(tables)
    draw_matrix(run, cells, groups)
    draw_times(run, [made for made in run.inputs if made.stage == "times"])
    agreeing = [verdicts for verdicts in cells.values() if len(set(verdicts)) == 1]
    return [{"cells": float(len(cells)), "agreeing": float(len(agreeing))}]


def collect(tables: list[list[dict[str, Any]]]) -> tuple[Cells, dict[str, list[str]]]:
    """The verdicts of every cell, and the edits of every group, in the order of the files."""
    cells: Cells = {}
    groups: dict[str, list[str]] = {}
    for row in (row for table in tables for row in table):
        cells.setdefault((row["edit"], row["arrangement"]), []).append(row["verdict"])
        if row["edit"] not in groups.setdefault(row["group"], []):
            groups[row["group"]].append(row["edit"])
    return cells, groups


def worst(verdicts: list[str]) -> str:
    """What is drawn where seeds disagree."""
    return max(verdicts, key=["not expressible", "right", "needless", "missed"].index)


def draw_matrix(run: Run, cells: Cells, groups: dict[str, list[str]]) -> None:
    """Edits as rows in groups, arrangements as columns."""
    arrangements = list(dict.fromkeys(arrangement for _, arrangement in cells))
    lines: list[tuple[str, bool]] = []  # text of a line, and whether it heads a group
    for group, edits in groups.items():
        lines += [(group, True), *((edit, False) for edit in edits)]
    height = 0.185 * (len(lines) + 7)
    data = [
        {"edit": edit, "arrangement": arrangement, "verdict": worst(verdicts)}
        for (edit, arrangement), verdicts in cells.items()
    ]
    with figure(run.figure("matrix.svg"), width=5.8, height=height, data=data) as (_, axes):
        for y, (text, heads) in enumerate(lines):
            for x, arrangement in enumerate(arrangements):
                if not heads:
                    axes.scatter([x], [y], **MARKS[worst(cells[text, arrangement])])
        axes.set_yticks(range(len(lines)), [text for text, _ in lines])
        for label, (_, heads) in zip(axes.get_yticklabels(), lines, strict=True):
            label.set(color=INK if heads else MUTED, style="italic" if heads else "normal", size=9.5, va="center")
        columns = [" ".join([NAMES[tool], setting]).strip() for tool, _, setting in map(split, arrangements)]
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="left", size=9.5)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.set_xlim(-0.6, len(columns) - 0.4)
        axes.set_ylim(len(lines) - 0.4, -0.9)
        axes.grid(axis="x", visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for verdict, mark in MARKS.items():
            axes.scatter([], [], label=verdict, **mark)
        axes.legend(loc="upper center", bbox_to_anchor=(0.2, -0.01), ncols=4, fontsize=9.5, handletextpad=0.2)


def split(arrangement: str) -> tuple[str, str, str]:
    return arrangement.partition("-")


def draw_times(run: Run, made: list[Input]) -> None:
    """CPU seconds of a check over the number of posts, both logarithmic: a mark a round, a line through means."""
    rows = [row for other in made for row in other.rows]
    sizes = sorted({row["posts"] for row in rows})
    with figure(run.figure("times.svg"), height=3.6, data=rows) as (_, axes):
        for asked in dict.fromkeys(row["asked"] for row in rows):
            name, colour, marker, up = LINES[asked]
            seconds = [
                [row["cpu_seconds"] for row in rows if (row["asked"], row["posts"]) == (asked, n)] for n in sizes
            ]
            means = [sum(values) / len(values) for values in seconds]
            style = (0, (4, 2)) if asked == "lockstep-first" else "solid"
            axes.plot(sizes, means, color=colour, linestyle=style, marker=marker, markersize=4.5)
            for size, values in zip(sizes, seconds, strict=True):
                axes.plot([size] * len(values), values, linestyle="", marker=marker, markersize=2.5, color=colour)
            offset = {"textcoords": "offset points", "xytext": (8, up)}
            axes.annotate(name, (sizes[-1], means[-1]), color=colour, va="center", **offset)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(sizes[0] * 0.8, sizes[-1] * 5)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel("posts, of four steps each")
        axes.set_ylabel("CPU seconds of a check")
