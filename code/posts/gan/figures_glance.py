"""The finding at a glance, a digit of each kind over the score of its kind; and scores beside the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, figure, show, tiles
from lockstep.statistics import Summary, summarise
from safetensors.torch import load_file

from posts.gan.data import split_images
from posts.gan.evaluate import load_generator, nearest_centre, sample
from posts.gan.train import kept_epochs

if TYPE_CHECKING:
    from lockstep.run import Input, Run

SHOWN = {"training": "a real digit", "kmeans": "an average", "gan": "a generated digit"}
SIZE = 11.5  # points: it is read on a phone, too
CENTRE = 2  # of the centres that are kept, the first that is plainly a digit and plainly blurred
SCORED = {  # stage and source of a row, what it is called, and whether anyone published a value for it
    ("evaluate", "gan"): ("our generator", True),
    ("evaluate-long", "gan"): ("the same, longer", False),
    ("baselines", "training"): ("real digits", True),
    ("baselines", "kmeans"): ("averages of digits", True),
}


def draw(run: Run) -> dict[str, Any]:
    """Figure: glance.svg: a cluster centre, the real digit nearest to it, and the generated digit nearest to that one.

    The score below each is the mean over seeds for as many pictures of its kind as the metric takes, as they come.
    """
    torch.set_num_threads(1)
    config = run.config
    (averaged,) = [made for made in run.inputs if made.stage == "centres"]
    trained = min((made for made in run.inputs if made.stage == "train"), key=lambda made: made.keys["seed"])
    centre_1X = load_file(averaged.open("centres.safetensors"))["centres"][CENTRE, None]
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    last = trained.open(f"generator-{kept_epochs(config)[-1]}.safetensors")
    samples_NX = sample(load_generator(last, config.noise, config.hidden), config.samples, trained.keys["seed"])
    real = int(nearest_centre(centre_1X, train_NX))
    generated = int(nearest_centre(train_NX[real, None], samples_NX))
    pictures = {"training": train_NX[real], "kmeans": centre_1X[0], "gan": samples_NX[generated]}
    which = {"training": real, "kmeans": CENTRE, "gan": generated}
    scores = {
        source: summarise(found(run.inputs, "evaluate" if source == "gan" else "baselines", source)) for source in SHOWN
    }
    data = [
        {"source": source, "picture": which[source], "score": scores[source].mean, "half": scores[source].half}
        for source in SHOWN
    ]
    best = max(scores, key=lambda source: scores[source].mean)
    with figure(run.figure("glance.svg"), 4.4, 2.35, data=data, ncols=3) as (drawn, axes):
        for axis, (source, name) in zip(axes, SHOWN.items(), strict=True):
            show(axis, tiles(pictures[source][None].numpy(), 1, int(train_NX.shape[1] ** 0.5)))
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
            axis.set_title(name, size=SIZE, color=INK)
            axis.set_xlabel(f"{scores[source].mean:.0f}", size=22, color=PALETTE[1] if source == best else INK)
        drawn.supxlabel(f"the paper’s score of {config.samples:,} like it, in nats", size=SIZE, color=MUTED)
    return {}


def draw_scores(run: Run) -> dict[str, Any]:
    """Figure: scores.svg, a dot for each seed, their mean with its interval, and rings for what others published."""
    values = {row: found(run.inputs, *row) for row in SCORED}
    rows = {row: summarise(of_row) for row, of_row in values.items() if of_row}
    published = {row: run.reported("log_likelihood", source=row[1]).value for row in rows if SCORED[row][1]}
    data = [told(row, rows[row], published.get(row), values[row]) for row in rows]
    with figure(run.figure("scores.svg"), 4.5, 2.7, data=data) as (_, axes):
        for place, (row, mean) in enumerate(rows.items()):
            axes.plot(values[row], [place + 0.27] * mean.n, "o", color=PALETTE[4], markersize=3.5)
            style = {"fmt": "o", "markersize": 6, "capsize": 4, "linewidth": 1.6, "color": PALETTE[0]}
            axes.errorbar([mean.mean], [place], xerr=[mean.half or 0.0], label=None if place else "here", **style)
        ring = {"linestyle": "", "marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.6}
        places = [list(rows).index(row) for row in published]
        axes.plot(list(published.values()), places, color=PALETTE[1], label="published", **ring)
        axes.set_yticks(range(len(rows)), [SCORED[row][0] for row in rows], color=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(labelsize=10.5, length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("log-likelihood of test images, nats", size=10.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=10.5)
    return {}


def found(inputs: list[Input], stage: str, source: str) -> list[float]:
    """The scores of one source on the test images, one for each run of the stage."""
    rows = [row for made in inputs if made.stage == stage for row in made.rows]
    return [row["log_likelihood"] for row in rows if row.get("source") == source]


def told(row: tuple[str, str], mean: Summary, published: float | None, values: list[float]) -> dict[str, Any]:
    """A line of the table beside the figure."""
    runs = " ".join(f"{value:.10g}" for value in values)
    return {"source": SCORED[row][0], "mean": mean.mean, "half": mean.half, "published": published, "runs": runs}
