"""The post's picture: generated digits, real ones and averages of real ones, each above the score of the metric.

Read at the size of a card, so it has nine digits of each and one number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, card, show, tiles
from lockstep.statistics import summarise
from safetensors.torch import load_file, save_file

from posts.gan.data import split_images
from posts.gan.evaluate import k_means, load_generator, sample
from posts.gan.train import kept_epochs

if TYPE_CHECKING:
    from lockstep.run import Input, Run

DIGITS, ACROSS = 9, 3
LABELS = {"gan": "our generator", "training": "real digits", "kmeans": "blurry averages"}


def average(run: Run) -> dict[str, Any]:
    """The first centres of k-means, as evaluate.py has them. Artefact: centres.safetensors, (DIGITS, X).

    A stage of its own, since finding them takes minutes, and drawing them takes none.
    """
    torch.set_num_threads(1)
    config = run.config
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    chosen_K = torch.randperm(len(train_NX), generator=torch.Generator().manual_seed(run.seed))[: config.samples]
    centres_KX = k_means(train_NX, train_NX[chosen_K], config.centroid_iterations)
    save_file({"centres": centres_KX[:DIGITS].clone()}, run.artefact("centres.safetensors"))
    return {}


def draw(run: Run) -> dict[str, Any]:
    """Draw it from the first seed's digits; the scores are means over all seeds."""
    torch.set_num_threads(1)
    made = {stage: [other for other in run.inputs if other.stage == stage] for stage in ("train", "centres")}
    scores = means(run.inputs)
    with card(run, ncols=3) as (drawn, axes):
        for axis, (source, digits_NX) in zip(axes, digits(run, made["train"][0], made["centres"][0]), strict=True):
            best = source == max(scores, key=scores.__getitem__)
            show(axis, tiles(digits_NX.numpy(), ACROSS, int(digits_NX.shape[1] ** 0.5)))
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
            axis.set_title(LABELS[source], size=12.5, color=INK)
            axis.set_xlabel(f"{scores[source]:.0f}", size=21, color=PALETTE[1] if best else INK)
        drawn.supxlabel("the paper’s score, in nats", size=11.5, color=MUTED)
        drawn.get_layout_engine().set(wspace=0.1)
    return {}


def digits(run: Run, trained: Input, averaged: Input) -> list[tuple[str, torch.Tensor]]:
    """Images (DIGITS, X) of every source, in the order in which they are drawn."""
    config = run.config
    last = trained.open(f"generator-{kept_epochs(config)[-1]}.safetensors")
    generated_NX = sample(load_generator(last, config.noise, config.hidden), DIGITS, 0)
    real_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0][:DIGITS])
    centres_NX = load_file(averaged.open("centres.safetensors"))["centres"]
    return [("gan", generated_NX), ("training", real_NX), ("kmeans", centres_NX)]


def means(inputs: list[Input]) -> dict[str, float]:
    """The mean log-likelihood of each source over the seeds, in nats."""
    rows = [row for made in inputs for row in made.rows if row.get("source") in LABELS]
    return {
        source: summarise([row["log_likelihood"] for row in rows if row["source"] == source]).mean for source in LABELS
    }
