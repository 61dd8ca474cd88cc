"""The post's figures: what a question becomes, the learning curve, and how often the surest answers are right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.figures import GRID, INK, MUTED, PALETTE, figure

from posts.asksql import wikisql
from posts.asksql.confidence import Calibration
from posts.asksql.data import Question
from posts.asksql.decode import Answer
from posts.asksql.evaluate import asked, read_answers, right

if TYPE_CHECKING:
    from lockstep.run import Run

SHOWN = (0.95, 0.6, 0.1)  # quantiles of confidence whose nearest questions are shown
LONGEST = 64  # characters of a question that is shown
Told = tuple[Question, Answer, float, bool]  # with the confidence, and whether it is right


def draw(run: Run) -> list[dict[str, Any]]:
    """Figures: learning.svg, risk.svg."""
    draw_learning(run)
    draw_risk(run)
    return []


def draw_learning(run: Run) -> None:
    """Validation questions with the right logical form against training questions, a dot a training."""
    with figure(run.figure("learning.svg"), 4.4, 2.8) as (_, axes):
        dots = [
            (made.keys.get("questions", run.config.questions), row["logical_form"])
            for made in run.inputs
            if made.stage in ("scores", "size-scores")
            for row in made.rows
            if "logical_form" in row
        ]
        sizes = sorted({size for size, _ in dots})
        means = [float(np.mean([value for size, value in dots if size == each])) for each in sizes]
        axes.plot(sizes, means, color=PALETTE[0], linewidth=1.2, label="_mean")
        axes.scatter(*zip(*dots, strict=True), s=22, color=PALETTE[0], label="a training", zorder=3)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, 100)
        axes.set_xlabel("training questions")
        axes.set_ylabel("right logical form, %")


def draw_risk(run: Run) -> None:
    """Share of right answers among the surest, against the share that is answered; a line a seed."""
    with figure(run.figure("risk.svg"), 4.4, 2.8) as (_, axes):
        for number, made in enumerate(each for each in run.inputs if each.stage == "selective"):
            points = made.csv("risk.csv")
            right_share = [100 - row["risk"] for row in points]
            axes.plot([row["coverage"] for row in points], right_share, color=PALETTE[number], label=f"seed {number}")
        axes.axhline(100 * run.config.wanted_right, color=MUTED, linewidth=0.8, linestyle="--", label="_aim")
        axes.axvline(60, color=MUTED, linewidth=0.8, linestyle="--", label="_coverage")
        axes.set_xlim(5, 100)
        axes.set_ylim(40, 101)
        axes.set_xlabel("questions answered, the surest first, %")
        axes.set_ylabel("of these right, %")
        axes.legend(loc="lower left")


def told(run: Run) -> tuple[list[Told], float]:
    """Every test answer of the first seed, the surest first, and the confidence below which none is given."""
    first = {made.stage: made for made in sorted(run.inputs, key=lambda made: -made.keys["seed"])}
    questions = asked(run.config, wikisql.read(run.data("wikisql")))
    written = read_answers(first["test-answers"])
    calibration = Calibration.read(first["calibration"].open("calibration.json"))
    rows = zip(questions, written, map(calibration.confidence, written), right(run, written), strict=True)
    return sorted(rows, key=lambda row: -row[2]), calibration.threshold


def chosen(rows: Sequence[Told], quantiles: Sequence[float], longest: int) -> list[Told]:
    """For each quantile of confidence the nearest question that is short enough to show: a rule, not a taste."""
    found: list[Told] = []
    for quantile in quantiles:
        place = (1 - quantile) * (len(rows) - 1)
        nearest = sorted(range(len(rows)), key=lambda i: abs(i - place))
        fits = (rows[i] for i in nearest if len(rows[i][0].text) <= longest and rows[i] not in found)
        found += [next(fits, rows[nearest[0]])]
    return found


def glance(run: Run) -> list[dict[str, Any]]:
    """Three test questions on their way: words, SQL, confidence, given or not. Figure: glance.svg."""
    rows, threshold = told(run)
    shown = chosen(rows, SHOWN, LONGEST)
    data = [
        {"question": q.text, "sql": a.sql, "confidence": round(sure, 3), "right": good} for q, a, sure, good in shown
    ]
    with figure(run.figure("glance.svg"), 6.6, 3.1, data=data) as (_, axes):
        for number, (question, answer, sure, good) in enumerate(shown):
            top = 0.98 - number / len(shown)
            axes.text(0, top, f"“{question.text}”", size=10.5, color=INK, va="top")
            lines = textwrap.wrap(answer.sql, 84)
            axes.text(0.02, top - 0.095, "\n".join(lines), size=10, color=PALETTE[0], va="top")
            _bar(axes, top - 0.245 - 0.065 * (len(lines) - 1), sure, threshold, good)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_axis_off()
    return []


def _bar(axes: Any, height: float, sure: float, threshold: float, good: bool) -> None:
    """The confidence as a bar with a mark at the threshold, and what becomes of the answer."""
    given, width = sure >= threshold, 0.3
    axes.barh(height, width, 0.035, left=0.02, color=GRID, align="edge")
    axes.barh(height, width * sure, 0.035, left=0.02, color=PALETTE[2] if given else PALETTE[1], align="edge")
    axes.plot([0.02 + width * threshold] * 2, [height - 0.012, height + 0.047], color=INK, linewidth=1)
    words = "answered" if given else "declined"
    verdict = "and right" if good else "and wrong"
    text = f"{sure:.2f} sure: {words}, {verdict}" if given else f"{sure:.2f} sure: {words}; it would be {verdict[4:]}"
    axes.text(0.02 + width + 0.02, height + 0.017, text, size=9, color=MUTED, va="center")
