"""The post's figures of noise and measures: interpolations, walks, rankings, distances to training images."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, PALETTE, figure, show, tiles
from safetensors.torch import load_file
from torch import Tensor

from posts.gan.evaluate import load_generator
from posts.gan.figures import bare
from posts.gan.latent import ATTRIBUTES, WALK, walk

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.gan.model import Generator

DRAWING = 6_000_011  # offset of the seed that draws the noise shown, away from the seeds that train, sample and explore
PAIRS = 4  # pairs of noise vectors with a line between them
STEPS = 11  # pictures from one end of a line or walk to the other
SOURCES = {"training": "real images", "kmeans": "k-means centres", "gan": "generator"}
MEASURES = {
    "log_likelihood": ("Parzen window", "nats", 0, 1),
    "frechet": ("Fréchet distance", "", 1, -1),
    "sample_precision": ("precision", "%", 0, 1),
    "sample_recall": ("recall", "%", 0, 1),
}  # title, unit, decimals, and 1 where more is better
GAP = 0.29  # between the middle of a number and the line to the next, in columns


@torch.no_grad()
def draw(run: Run) -> dict[str, Any]:
    """Draw all four: pictures from the first seed, rankings from the means over all."""
    torch.set_num_threads(1)
    config = run.config
    first = {made.stage: made for made in reversed(run.inputs)}  # of each stage, the first in the order of the grid
    trained = first["train"].open(f"generator-{config.epochs}.safetensors")
    generator = load_generator(trained, config.noise, config.hidden)
    rng = torch.Generator().manual_seed(DRAWING)
    draw_interpolation(run, generator, generator.sample_noise(2 * PAIRS, rng))
    directions = load_file(first["latent"].open("directions.safetensors"))
    draw_walks(run, generator, generator.sample_noise(2, rng), directions)
    draw_ranking(run)
    draw_distances(run, first["quality"].csv("nearest.csv"))
    return {}


def draw_interpolation(run: Run, generator: Generator, z_NZ: Tensor) -> None:
    """A row for each pair: the line between two noise vectors; below, the ends of the last line faded in pixels."""
    part_S = torch.linspace(0, 1, STEPS)[:, None]
    rows = [generator(start_Z + part_S * (end_Z - start_Z)) for start_Z, end_Z in z_NZ.unflatten(0, (PAIRS, 2))]
    rows.append(rows[-1][:1] + part_S * (rows[-1][-1:] - rows[-1][:1]))
    with figure(run.figure("interpolation.svg"), height=2.6) as (_, axes):
        heights, _ = picture(axes, rows)
        axes.set_yticks([mean(heights[:PAIRS]), heights[PAIRS]], ["in noise", "in pixels"])


def draw_walks(run: Run, generator: Generator, z_NZ: Tensor, directions: dict[str, Tensor]) -> None:
    """Two rows for each direction, from the same two noise vectors; the middle picture of a row is where it starts."""
    lengths = torch.linspace(-WALK, WALK, STEPS).tolist()
    rows = [
        torch.cat([generator(walk(start_Z[None], directions[f"{name}_{along}"], length)) for length in lengths])
        for name in ATTRIBUTES
        for along in ("fitted", "freed")
        for start_Z in z_NZ
    ]
    labels = [label for name in ATTRIBUTES for label in (name, f"{name}, freed")]
    with figure(run.figure("walks.svg"), height=4.55) as (_, axes):
        heights, places = picture(axes, rows)
        axes.set_yticks([mean(heights[row : row + len(z_NZ)]) for row in range(0, len(rows), len(z_NZ))], labels)
        axes.set_xticks([places[0], places[STEPS // 2], places[-1]], [f"−{WALK:g}", "0", f"+{WALK:g}"])
        axes.set_xlabel("standard deviations along the direction")


def picture(axes: Any, rows: list[Tensor]) -> tuple[list[float], list[float]]:
    """Rows of equally many images as one picture without a frame; returns the middles of its rows and columns."""
    side = int(rows[0].shape[1] ** 0.5)
    show(axes, tiles(torch.cat(rows).numpy(), len(rows[0]), side))
    bare(axes)
    heights, places = ([n * (side + 2) + side / 2 for n in range(count)] for count in (len(rows), len(rows[0])))
    return heights, places


def draw_ranking(run: Run) -> None:
    """A column for each measure, the best source on top, with the means over seeds."""
    rows = [row for made in run.inputs for row in made.rows if row.get("source") in SOURCES]
    means = {
        (metric, source): mean([row[metric] for row in rows if metric in row and row["source"] == source])
        for metric in MEASURES
        for source in SOURCES
    }
    data = [{"measure": metric, "pictures": source, "mean": value} for (metric, source), value in means.items()]
    with figure(run.figure("ranking.svg"), height=2.0, data=data) as (_, axes):
        for (source, name), colour in zip(SOURCES.items(), (INK, PALETTE[1], PALETTE[0]), strict=True):
            heights = []
            for place, (metric, (_, unit, digits, sign)) in enumerate(MEASURES.items()):
                heights.append(-sum(sign * means[metric, other] > sign * means[metric, source] for other in SOURCES))
                text = f"{means[metric, source]:.{digits}f} {unit}".strip()
                axes.text(place, heights[-1], text, ha="center", va="center_baseline", color=colour)
            for place, ends in enumerate(pairwise(heights)):  # the lines stop before the numbers
                axes.plot([place + GAP, place + 1 - GAP], ends, color=colour)
            axes.text(len(MEASURES) - 1 + GAP, heights[-1], name, va="center_baseline", color=colour)
        axes.set_xlim(-0.3, len(MEASURES) + 0.1)
        axes.set_yticks([0, -1, -2], ["best", "", "worst"])
        axes.set_ylim(-2.3, 0.3)
        axes.set_xticks(range(len(MEASURES)), [title for title, *_ in MEASURES.values()])
        axes.xaxis.tick_top()
        axes.grid(False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def draw_distances(run: Run, bins: list[dict[str, Any]]) -> None:
    """How far samples, and how far test images, are from the nearest training image: in pixels and in features."""
    with figure(run.figure("memorisation.svg"), height=2.6, ncols=2) as (_, both):
        for axes, space in zip(both, ("pixel", "feature"), strict=True):
            rows = [row for row in bins if row["space"] == space]
            edges = [row["from"] for row in rows] + [rows[-1]["to"]]
            for name, colour in (("test_images", INK), ("samples", PALETTE[0])):
                axes.stairs(
                    [row[name] for row in rows], edges, color=colour, linewidth=1.4, label=name.replace("_", " ")
                )
            axes.set_xlabel(f"distance in {space}s")
            axes.set_xlim(0)
        both[0].set_ylabel("% of images")
        both[1].legend(loc="upper right", borderaxespad=0, handlelength=1)
