"""The pictures: what late labels cost, and where models stand below the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, figure

if TYPE_CHECKING:
    from lockstep.run import Run

NAMED = {"handbook": "features of the book", "general": "without reading the rules", "all": "all features"}


def draw(run: Run) -> list[dict[str, Any]]:
    """Figures: delay.svg and limit.svg."""
    draw_delay(run)
    draw_limit(run)
    return []


def draw_delay(run: Run) -> None:
    """Average precision of limit and model against the delay of labels."""
    rows = [dict(made.keys) | row for made in run.inputs if made.stage == "delays" for row in made.rows]
    with figure(run.figure("delay.svg")) as (_, axes):
        for name, label, colour, marker in (
            ("limit", "best possible", INK, "s"),
            ("trees", "our model", PALETTE[1], "o"),
        ):
            points = sorted((row["delay"], row["average_precision"]) for row in rows if row["model"] == name)
            axes.plot(*zip(*points, strict=True), f"{marker}-", color=colour, label=label, markersize=4)
        axes.set_xticks(sorted({row["delay"] for row in rows}))
        axes.set_xlabel("days until a label is known")
        axes.set_ylabel("average precision")
        axes.legend(loc="upper right")


def draw_limit(run: Run) -> None:
    """Average precision in each test week, by features and length of history, under the limit of that week."""
    limit = [row for made in run.inputs if made.stage == "limit" for row in made.rows if row["model"] == "limit"]
    rows = [row for made in run.inputs if made.stage == "weeks" for row in made.rows]
    weeks = [row["week"] for row in limit if row["week"] != "mean"]
    with figure(run.figure("limit.svg")) as (_, axes):
        places = range(len(weeks))
        axes.plot(places, [row["average_precision"] for row in limit if row["week"] != "mean"], "_", color=INK, ms=22,
                  mew=2, label="limit")  # fmt: skip
        for number, (group, name) in enumerate(NAMED.items()):
            found = [
                (place + 0.07 * (number - 1), row["average_precision"])
                for place, week in enumerate(weeks)
                for row in rows
                if row["week"] == week and row["features"] == group and row["history"] == "all weeks"
            ]
            axes.plot(*zip(*found, strict=True), "^Do"[number], color=PALETTE[number], markersize=4, label=name)
        axes.set_xticks(list(places), [f"week of day {int(week) + 14}" for week in weeks])
        axes.set_ylabel("average precision")
        axes.tick_params(colors=MUTED)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9, columnspacing=1.2)
