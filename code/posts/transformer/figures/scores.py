"""Our scores beside the published one, which is a line: a dot for each run, and their mean with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, PALETTE, figure
from lockstep.statistics import summarise

from posts.transformer.tables import MAIN

if TYPE_CHECKING:
    from lockstep.run import Run

TEST = {"split": "test_2016_flickr"}
TRAINED = {  # which scores stand in a row, and which rows of the ledger they are
    "lower-cased tokens,\nas published": ("lowered-scores", TEST),
    "running text": ("scores", TEST | MAIN),
    "running text, exponent\nchosen on validation": ("lengths", TEST | {"exponent": "chosen"}),
}


def draw(run: Run) -> dict[str, Any]:
    """Figure: scores.svg. Reads the scores of both texts, and those under the chosen exponent."""
    published = run.reported("bleu4", **TEST).value
    found = {
        name: [
            row["bleu4"]
            for made in run.inputs
            if made.stage == stage
            for row in made.rows
            if "bleu4" in row and at.items() <= row.items()
        ]
        for name, (stage, at) in TRAINED.items()
    }
    told = {name: summarise(values) for name, values in found.items()}
    data = [
        {
            "trained on": name.replace("\n", " "),
            "mean": told[name].mean,
            "half": told[name].half,
            "published": published,
        }
        | {"runs": " ".join(f"{value:.10g}" for value in values)}
        for name, values in found.items()
    ]
    with figure(run.figure("scores.svg"), 4.5, 2.5, data=data) as (_, axes):
        for place, (name, values) in enumerate(found.items()):
            axes.plot(values, [place + 0.24] * len(values), "o", color=PALETTE[4], markersize=4)
            style = {"fmt": "o", "markersize": 6, "capsize": 4, "linewidth": 1.6, "color": PALETTE[0]}
            axes.errorbar([told[name].mean], [place], xerr=[told[name].half or 0.0], **style)
        axes.axvline(published, color=PALETTE[1], linewidth=1.4, linestyle=(0, (5, 3)))
        text = {"textcoords": "offset points", "ha": "right", "va": "top", "color": PALETTE[1], "size": 10.5}
        axes.annotate(f"published, {published:g}", (published, -0.75), (-5, 0), **text)
        axes.set_yticks(range(len(found)), list(found), color=INK)
        axes.set_ylim(len(found) - 0.4, -0.75)
        axes.tick_params(labelsize=10.5, length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("BLEU4, test sentences of 2016", size=10.5)
    return {}
