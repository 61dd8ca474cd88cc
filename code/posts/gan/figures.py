"""Figures of the training: samples, log-likelihood and losses over epochs, gradients early, neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, figure, show, tiles

from posts.gan.data import split_images
from posts.gan.evaluate import load_generator, nearest_centre, sample
from posts.gan.train import kept_epochs

if TYPE_CHECKING:
    from lockstep.run import Input, Run

SHOWN = 10  # samples side by side
STAGES = ("train", "evaluate", "evaluate-long", "evaluate-saturating", "evaluate-single")
VARIANTS = {"evaluate": "as published", "evaluate-saturating": "saturating loss", "evaluate-single": "single precision"}


def draw(run: Run) -> dict[str, Any]:
    """Draw all six. Reads every training run and its scores."""
    torch.set_num_threads(1)
    made = {stage: [other for other in run.inputs if other.stage == stage] for stage in STAGES}
    draw_samples(run, made["train"][0])
    draw_likelihood(run, made["evaluate"], made["evaluate-long"])
    draw_losses(run, made["train"])
    draw_gradients(run, made["train"])
    draw_variants(run, {label: made[stage] for stage, label in VARIANTS.items()})
    draw_neighbours(run, made["train"][0])
    return {}


def draw_samples(run: Run, trained: Input) -> None:
    """The same noise through the generator of each kept epoch, of the first seed."""
    config, rows = run.config, []
    for epoch in (kept := kept_epochs(config)):
        generator = load_generator(trained.open(f"generator-{epoch}.safetensors"), config.noise, config.hidden)
        rows.append(sample(generator, SHOWN, 0))
    side = int(rows[0].shape[1] ** 0.5)
    with figure(run.figure("samples.svg"), height=6.6) as (_, axes):
        show(axes, tiles(torch.cat(rows).numpy(), SHOWN, side))
        middles = [number * (side + 2) + side / 2 for number in range(len(rows))]
        axes.set_yticks(middles, [str(epoch) for epoch in kept])
        axes.set_ylabel("epoch")
        bare(axes)


def draw_likelihood(run: Run, scored: list[Input], longer: list[Input]) -> None:
    """Validation log-likelihood over epochs, a line a seed, with the published value for scale."""
    published = run.reported("log_likelihood", source="gan")
    with figure(run.figure("likelihood.svg")) as (_, axes):
        curves = [made.csv("likelihood.csv") for made in scored]
        for made, curve in zip(scored, curves, strict=True):
            line = {"linewidth": 0.7, "alpha": 0.6, "label": f"_seed {made.keys['seed']}"}
            axes.plot(*columns(curve, "epoch", "log_likelihood"), color=PALETTE[0], **line)
        epochs, means = mean_curve(curves)
        axes.plot(epochs, means, color=PALETTE[0], linewidth=2, marker="o", markersize=3.5, label="_mean of the seeds")
        label(axes, "mean of the seeds", (epochs[-1], means[-1]), (0, -24), PALETTE[0], "center")
        for made in longer:
            further = columns(made.csv("likelihood.csv"), "epoch", "log_likelihood")
            line = {"linewidth": 1.2, "marker": "o", "markersize": 2.5, "label": f"_seed {made.keys['seed']}, going on"}
            axes.plot(*further, color=PALETTE[2], **line)
            label(axes, "one seed, going on", (further[0][-1], further[1][-1]), (0, -16), PALETTE[2], "right")
            epochs = further[0]
        axes.axhline(published.value, color=PALETTE[1], linewidth=1, linestyle=(0, (5, 3)))
        label(axes, "published", (epochs[-1], published.value), (0, 9), PALETTE[1], "right")
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation log-likelihood, nats")


def draw_losses(run: Run, trained: list[Input]) -> None:
    """Both players' mean losses over epochs, a line a seed."""
    with figure(run.figure("losses.svg"), height=3.0) as (_, axes):
        for made in trained:
            curve = made.csv("curve.csv")
            for loss, player, colour in (("d_loss", "discriminator", PALETTE[0]), ("g_loss", "generator", PALETTE[1])):
                line = {"linewidth": 0.9, "label": f"_{player}, seed {made.keys['seed']}"}
                axes.plot(*columns(curve, "epoch", loss), color=colour, **line)
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


def draw_gradients(run: Run, trained: list[Input]) -> None:
    """The generator's gradient under both losses at the same points of the first epoch, a line a seed."""
    with figure(run.figure("gradients.svg"), height=3.0) as (_, axes):
        for name, text, colour in (
            ("non_saturating", "−log D(G(z))", PALETTE[0]),
            ("saturating", "log(1 − D(G(z)))", PALETTE[1]),
        ):
            curves = [made.csv("norms.csv") for made in trained]
            for made, curve in zip(trained, curves, strict=True):
                line = {"linewidth": 0.8, "alpha": 0.8, "label": f"_{text}, seed {made.keys['seed']}"}
                axes.plot(*columns(curve, "update", name), color=colour, **line)
            last = max(float(curve[-1][name]) for curve in curves)
            label(axes, text, (float(curves[0][-1]["update"]), last), (4, 0), colour, "left")
        axes.set_yscale("log")
        axes.margins(x=0.16)
        axes.set_xlim(left=0)
        axes.set_xlabel("update in the first epoch")
        axes.set_ylabel("norm of the gradient")


def draw_variants(run: Run, scored: dict[str, list[Input]]) -> None:
    """Validation log-likelihood over the first epochs: the published recipe and one change at a time."""
    last = max(int(row["epoch"]) for row in scored["saturating loss"][0].csv("likelihood.csv"))
    with figure(run.figure("variants.svg"), height=3.2) as (_, axes):
        for (text, runs), colour in zip(scored.items(), PALETTE, strict=False):
            curves = [[row for row in made.csv("likelihood.csv") if row["epoch"] <= last] for made in runs]
            for made, curve in zip(runs, curves, strict=True):
                line = {"linewidth": 0.6, "alpha": 0.5, "label": f"_{text}, seed {made.keys['seed']}"}
                axes.plot(*columns(curve, "epoch", "log_likelihood"), color=colour, **line)
            axes.plot(*mean_curve(curves), color=colour, linewidth=2, label=text)
        axes.legend()
        axes.set_xticks(range(0, last + 1, 5))
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation log-likelihood, nats")


def draw_neighbours(run: Run, trained: Input) -> None:
    """Samples of the last epoch above the training image that is nearest to each in pixel distance."""
    config = run.config
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    last = trained.open(f"generator-{kept_epochs(config)[-1]}.safetensors")
    samples_SX = sample(load_generator(last, config.noise, config.hidden), SHOWN, 0)
    nearest_SX = train_NX[nearest_centre(samples_SX, train_NX)]
    side = int(train_NX.shape[1] ** 0.5)
    with figure(run.figure("neighbours.svg"), height=1.7) as (_, axes):
        sheet = tiles(torch.cat([samples_SX, nearest_SX]).numpy(), SHOWN, side)
        show(axes, sheet)
        axes.set_yticks([side / 2, side * 1.5 + 2], ["sample", "nearest"])
        bare(axes)


def columns(rows: list[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [row[x] for row in rows], [row[y] for row in rows]


def mean_curve(curves: list[list[dict[str, Any]]]) -> tuple[list[float], list[float]]:
    """Epochs and the mean log-likelihood of the seeds at each."""
    epochs, _ = columns(curves[0], "epoch", "log_likelihood")
    return epochs, [
        sum(float(curve[i]["log_likelihood"]) for curve in curves) / len(curves) for i in range(len(epochs))
    ]


def label(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str, align: str) -> None:
    """A direct label in the colour of what it names, offset in points."""
    axes.annotate(text, at, xytext=offset, textcoords="offset points", ha=align, va="center", color=colour)


def bare(axes: Any) -> None:
    """A picture needs no frame."""
    axes.grid(False)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
