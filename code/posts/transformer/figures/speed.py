"""How long others take for the same work, as bars: a step of training, and a search for translations. Ours is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, figure
from lockstep.statistics import Summary, summarise

if TYPE_CHECKING:
    from lockstep.run import Run

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
MODELS = {  # of a step of training
    "torch": "nn.Transformer,\nparts where ours are",
    "torch, unfused": "the same,\nplain attention",
    "torch, its defaults": "nn.Transformer,\nas it comes",
}
SEARCHES = {
    "generate": "generate of\nHugging Face",
    "whole prefix": "ours without\nthe cache",
    "CTranslate2": "CTranslate2",
}
THICK = 0.38  # of a bar


def draw(run: Run) -> dict[str, Any]:
    """Figure: speed.svg, and its bars as a table. Reads every measurement of the speed."""
    rows = [row for made in run.inputs for row in made.rows]
    steps = {
        (model, dtype): ratio(rows, "step_ratio", model=model, dtype=dtype) for model in MODELS for dtype in DTYPES
    }
    searches = {search: ratio(rows, "search_ratio", search=search) for search in SEARCHES if has(rows, search)}
    data = [
        *(told(f"a step, {dtype}", model, found) for (model, dtype), found in steps.items()),
        *(told("a search", search, found) for search, found in searches.items()),
    ]
    parts = {"nrows": 2, "gridspec_kw": {"height_ratios": [len(MODELS) + 0.9, len(searches) + 0.4]}, "sharex": True}
    with figure(run.figure("speed.svg"), 4.5, 4.3, data=data, **parts) as (_, (above, below)):
        for number, dtype in enumerate(DTYPES):
            places = [place + (number - 0.5) * THICK for place in range(len(MODELS))]
            bars(above, places, [steps[model, dtype] for model in MODELS], PALETTE[number], DTYPES[dtype])
        bars(below, list(range(len(searches))), list(searches.values()), PALETTE[2], None)
        for axes, names in ((above, list(MODELS.values())), (below, [SEARCHES[name] for name in searches])):
            axes.axvline(1, color=INK, linewidth=1)
            axes.set_yticks(range(len(names)), names, color=INK)
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.set_xlim(
                0, 1.12 * max(found.mean + (found.half or 0) for found in [*steps.values(), *searches.values()])
            )
            axes.tick_params(labelsize=10.5, length=0, labelbottom=True)
            axes.grid(axis="y", visible=False)
            axes.spines["left"].set_visible(False)
        above.legend(loc="lower right", fontsize=10.5, handlelength=0.8, handletextpad=0.5, borderaxespad=0)
        above.set_title("A step of training", loc="left", size=11.5, color=MUTED)
        below.set_title("Beam search", loc="left", size=11.5, color=MUTED)
        below.set_xlabel("time over ours (the line)", size=10.5)
    return {}


def has(rows: list[dict[str, Any]], search: str) -> bool:
    return any(row.get("search") == search for row in rows)


def ratio(rows: list[dict[str, Any]], metric: str, **at: str) -> Summary:
    """Mean and interval of a ratio over the runs."""
    return summarise([row[metric] for row in rows if metric in row and at.items() <= row.items()])


def told(what: str, of: str, found: Summary) -> dict[str, Any]:
    return {
        "what": what,
        "of": of,
        "time over ours": f"{found.mean:.10g}",
        "half of the interval": f"{found.half or 0:.10g}",
    }


def bars(axes: Any, places: list[float] | list[int], found: list[Summary], colour: str, name: str | None) -> None:
    """Horizontal bars with whiskers, each with its value at the end."""
    style = {"height": THICK, "color": colour, "error_kw": {"ecolor": MUTED, "capsize": 3, "linewidth": 1}}
    axes.barh(places, [one.mean for one in found], xerr=[one.half or 0.0 for one in found], label=name, **style)
    for place, one in zip(places, found, strict=True):
        axes.annotate(
            f"{one.mean:.2f}",
            (one.mean + (one.half or 0.0), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=10.5,
            color=INK,
        )
