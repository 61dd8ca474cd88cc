"""What the pictures of the scores show: read back from the tables beside them, on pictures that were made for it."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lockstep.catalogue import digits
from posts.gan import figures_glance
from posts.gan.data import split_images
from posts.gan.experiment import Config
from posts.gan.model import Generator
from safetensors.torch import save_file

CONFIG = replace(Config(), noise=3, hidden=8, samples=20, epochs=2, snapshots=(1, 2), validation_images=200)
SCORES = {"training": 242.0, "kmeans": 335.0, "gan": 159.0}


def made(stage: str, source: str, seed: int) -> SimpleNamespace:
    """A scored run, its curve on validation images among its rows."""
    rows = [{"source": source, "log_likelihood": SCORES[source] + seed}, {"epoch": 1, "validation_log_likelihood": 9.0}]
    return SimpleNamespace(stage=stage, keys={"seed": seed}, rows=rows)


def scored() -> list[SimpleNamespace]:
    pairs = ("evaluate", "gan"), ("baselines", "training"), ("baselines", "kmeans")
    return [made(stage, source, seed) for stage, source in pairs for seed in range(3)]


@pytest.fixture
def run(tmp_path) -> SimpleNamespace:
    arrays = digits.load()
    train_NX = torch.from_numpy(split_images(arrays, CONFIG.validation_images)[0])
    pixels = train_NX.shape[1]
    save_file({"centres": train_NX[:9] * 0.9}, tmp_path / "centres.safetensors")
    generator = Generator(CONFIG.noise, CONFIG.hidden, torch.full((pixels,), 0.5), torch.Generator().manual_seed(0))
    save_file(generator.state_dict(), tmp_path / "generator-2.safetensors")
    first, second = (
        SimpleNamespace(stage="train", keys={"seed": seed}, rows=[], open=tmp_path.joinpath if seed == 0 else None)
        for seed in (0, 1)
    )
    centres = SimpleNamespace(stage="centres", keys={"seed": 0}, rows=[], open=tmp_path.joinpath)
    published = {"gan": 225.0, "training": 243.0, "kmeans": 313.0}
    return SimpleNamespace(
        config=CONFIG,
        inputs=[second, first, centres, *scored()],
        data=lambda name: arrays,
        figure=tmp_path.joinpath,
        reported=lambda metric, source: SimpleNamespace(value=published[source]),
    )


def table(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_glance_has_a_digit_of_each_kind_and_the_mean_score_of_its_kind(run, tmp_path):
    figures_glance.draw(run)
    found = {line["source"]: line for line in table(tmp_path / "glance.csv")}
    assert {source: float(line["score"]) for source, line in found.items()} == {s: v + 1 for s, v in SCORES.items()}
    assert found["training"]["picture"] == found["kmeans"]["picture"], "the centre is that image, fainter"
    drawn = (tmp_path / "glance.svg").read_text()
    assert drawn.count("<image") == 3
    assert all(f">{text}</text>" in drawn for text in ("a real digit", "an average", "a generated digit", "243", "336"))


def test_the_generated_digit_is_the_one_nearest_to_the_real_one(run, tmp_path):
    figures_glance.draw(run)
    found = {line["source"]: int(line["picture"]) for line in table(tmp_path / "glance.csv")}
    generator = figures_glance.load_generator(tmp_path / "generator-2.safetensors", CONFIG.noise, CONFIG.hidden)
    samples_NX = figures_glance.sample(generator, CONFIG.samples, 0).numpy()
    real_X = split_images(digits.load(), CONFIG.validation_images)[0][found["training"]]
    assert found["gan"] == int(np.linalg.norm(samples_NX - real_X, axis=1).argmin())


def test_scores_are_shown_seed_by_seed_with_their_mean_and_what_is_published(run, tmp_path):
    figures_glance.draw_scores(run)
    found = {line["source"]: line for line in table(tmp_path / "scores.csv")}
    assert list(found) == ["our generator", "real digits", "averages of digits"], "what was not run is not drawn"
    assert found["our generator"]["runs"] == "159 160 161"
    assert (found["our generator"]["mean"], found["our generator"]["published"]) == ("160.0", "225.0")
    longer = made("evaluate-long", "gan", 5)
    figures_glance.draw_scores(SimpleNamespace(**vars(run) | {"inputs": [longer, *run.inputs]}))  # pyright: ignore
    (line,) = [line for line in table(tmp_path / "scores.csv") if line["source"] == "the same, longer"]
    assert (line["mean"], line["half"], line["published"]) == ("164.0", "", "")
