"""The post's figures: samples over training, log-likelihood and losses over epochs, nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, figure, tiles

from posts.gan.data import split_images
from posts.gan.evaluate import load_generator, nearest_centre, sample

if TYPE_CHECKING:
    from lockstep.run import Input, Run

SHOWN = 10  # samples side by side


def draw(run: Run) -> dict[str, Any]:
    """Draw all four. Reads every training run and its scores."""
    torch.set_num_threads(1)
    trained = [made for made in run.inputs if made.stage == "train"]
    scored = [made for made in run.inputs if made.stage == "evaluate"]
    draw_samples(run, trained[0])
    draw_likelihood(run, scored)
    draw_losses(run, trained)
    draw_neighbours(run, trained[0])
    return {}


def draw_samples(run: Run, trained: Input) -> None:
    """The same noise through the generator of each kept epoch, of the first seed."""
    config, rows = run.config, []
    for epoch in config.snapshots:
        generator = load_generator(trained.open(f"generator-{epoch}.safetensors"), config.noise, config.hidden)
        rows.append(sample(generator, SHOWN, 0))
    side = int(rows[0].shape[1] ** 0.5)
    with figure(run.figure("samples.svg"), height=6.6) as (_, axes):
        axes.imshow(tiles(torch.cat(rows).numpy(), SHOWN, side), cmap="gray", vmin=0, vmax=1, interpolation="none")
        middles = [number * (side + 2) + side / 2 for number in range(len(rows))]
        axes.set_yticks(middles, [str(epoch) for epoch in config.snapshots])
        axes.set_ylabel("epoch")
        bare(axes)


def draw_likelihood(run: Run, scored: list[Input]) -> None:
    """Validation log-likelihood over epochs, a line a seed, with the published value for scale."""
    published = run.reported("log_likelihood", source="gan")
    with figure(run.figure("likelihood.svg")) as (_, axes):
        curves = [made.csv("likelihood.csv") for made in scored]
        for curve in curves:
            axes.plot(*columns(curve, "epoch", "log_likelihood"), color=PALETTE[0], linewidth=0.7, alpha=0.6)
        epochs, _ = columns(curves[0], "epoch", "log_likelihood")
        means = [sum(float(curve[i]["log_likelihood"]) for curve in curves) / len(curves) for i in range(len(epochs))]
        axes.plot(epochs, means, color=PALETTE[0], linewidth=2, marker="o", markersize=3.5)
        axes.axhline(published.value, color=PALETTE[1], linewidth=1, linestyle=(0, (5, 3)))
        axes.annotate(
            "published",
            (epochs[-1], published.value),
            xytext=(0, 5),
            textcoords="offset points",
            ha="right",
            color=PALETTE[1],
        )
        axes.set_xlabel("epoch")
        axes.set_ylabel("log-likelihood on validation images, nats")


def draw_losses(run: Run, trained: list[Input]) -> None:
    """Both players' mean losses over epochs, a line a seed."""
    with figure(run.figure("losses.svg"), height=3.0) as (_, axes):
        for made in trained:
            curve = made.csv("curve.csv")
            axes.plot(*columns(curve, "epoch", "d_loss"), color=PALETTE[0], linewidth=0.9)
            axes.plot(*columns(curve, "epoch", "g_loss"), color=PALETTE[1], linewidth=0.9)
        axes.axhline(0.6931, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        last = [made.csv("curve.csv")[-1] for made in trained]
        for name, label, colour in (("g_loss", "generator", PALETTE[1]), ("d_loss", "discriminator", PALETTE[0])):
            height = (
                max(float(row[name]) for row in last) if name == "g_loss" else min(float(row[name]) for row in last)
            )
            axes.annotate(
                label,
                (float(last[0]["epoch"]), height),
                xytext=(0, 8 if name == "g_loss" else -14),
                textcoords="offset points",
                ha="right",
                color=colour,
            )
        axes.annotate("log 2: cannot tell", (1, 0.6931), xytext=(2, 4), textcoords="offset points", color=INK)
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean loss, nats")


def draw_neighbours(run: Run, trained: Input) -> None:
    """Samples of the last epoch above the training image that is nearest to each in pixel distance."""
    config = run.config
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    last = trained.open(f"generator-{config.snapshots[-1]}.safetensors")
    samples_SX = sample(load_generator(last, config.noise, config.hidden), SHOWN, 0)
    nearest_SX = train_NX[nearest_centre(samples_SX, train_NX)]
    side = int(train_NX.shape[1] ** 0.5)
    with figure(run.figure("neighbours.svg"), height=1.7) as (_, axes):
        sheet = tiles(torch.cat([samples_SX, nearest_SX]).numpy(), SHOWN, side)
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="none")
        axes.set_yticks([side / 2, side * 1.5 + 2], ["sample", "nearest"])
        bare(axes)


def columns(rows: list[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [row[x] for row in rows], [row[y] for row in rows]


def bare(axes: Any) -> None:
    """A picture needs no frame."""
    axes.grid(False)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
