"""Figures show the values that they stand for: read back from the tables that are written beside them."""

from __future__ import annotations

import csv
import re
from types import SimpleNamespace

import pytest
from captioner import Publishing, halves
from posts.transformer.captions import captions
from posts.transformer.data import train_subwords
from posts.transformer.evaluate import load
from posts.transformer.experiment import Config
from posts.transformer.figures import architecture as figures_architecture
from posts.transformer.figures import rows as figures_rows
from posts.transformer.figures import scores as figures_scores
from posts.transformer.figures import speed as figures_speed
from posts.transformer.model import FeedForward
from posts.transformer.train import build
from tinymodel import INNER, WIDTH, rng, tiny

CHANGES = {"heads-1": [-1.0, -2.0, -3.0], "untied": [0.5, 0.25, 0.0]}
GROWTH = {"row-growth": [[10.0, 20.0], [12.0, 22.0]], "recurrent-growth": [[5.0, 6.0], [7.0, 8.0]]}


def inputs() -> list[SimpleNamespace]:
    rows = [{"row": row, "seed": i, "bleu_change": x} for row, values in CHANGES.items() for i, x in enumerate(values)]
    rows += [{"row": "heads-1", "seed": 0, "length": "1–8", "change_of_length": 99.0}]  # not what is drawn
    made = [SimpleNamespace(stage="ablation", keys={}, rows=rows)]
    for row, cost in (("base", 40.0), ("heads-1", 30.0)):
        costs = [{"model": "transformer", "update_cost": cost}, {"model": "recurrent", "update_cost": 20.0}]
        made.append(SimpleNamespace(stage="cost", keys={"row": row}, rows=[*costs, {"padding": 6.0}]))
    for stage, curves in GROWTH.items():
        for seed, curve in enumerate(curves):
            table = [{"update": 500.0 * (i + 1), "validation_bleu": height} for i, height in enumerate(curve)]
            keys = {"row": "base", "seed": seed}
            made.append(SimpleNamespace(stage=stage, keys=keys, csv=lambda name, table=table: table))
    other = SimpleNamespace(stage="row-growth", keys={"row": "heads-1", "seed": 0}, csv=lambda name: [])
    return [*made, other]


FIGURES = ("rows", "quality")


def points(line: dict[str, str]) -> tuple[str, float, float]:
    return line["series"], round(float(line["x"]), 6), round(float(line["y"]), 6)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    run = SimpleNamespace(
        inputs=inputs(),
        figure=lambda name: folder / name,
        reported=lambda metric, row: SimpleNamespace(value={"heads-1": -0.9}[row]),
    )
    figures_rows.draw(run)  # pyright: ignore
    figures_rows.draw_costs(run)  # pyright: ignore
    return {name: list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines())) for name in FIGURES}


def test_rows_have_their_means_and_what_the_paper_has_of_them(drawn):
    assert [line["row"] for line in drawn["rows"]] == ["heads-1", "untied"]  # from the worst to the best
    assert [float(line["here"]) for line in drawn["rows"]] == [-2.0, 0.25]
    assert [line["paper"] for line in drawn["rows"]] == ["-0.9", ""]
    assert all(float(line["low"]) < float(line["here"]) < float(line["high"]) for line in drawn["rows"])


def test_quality_stands_over_the_operations_spent_by_the_base_alone(drawn):
    found = set(map(points, drawn["quality"]))
    assert {("Transformer, seed 0", 20.0, 10.0), ("Transformer, mean", 40.0, 21.0)} <= found  # 40 GFLOP an update
    assert {("recurrent, seed 1", 10.0, 7.0), ("recurrent, mean", 20.0, 7.0)} <= found


SCORES = {  # of seeds 0 and 1, on another split and the one that is drawn
    "lowered-scores": [{"split": "val", "bleu4": 30.0}, {"split": "test_2016_flickr", "bleu4": 40.0}],
    "scores": [
        {"split": "test_2016_flickr", "weights": "averaged", "search": "beam", "bleu4": 39.0},
        {"split": "test_2016_flickr", "weights": "last", "search": "beam", "bleu4": 20.0},
    ],
    "lengths": [
        {"split": "test_2016_flickr", "exponent": "chosen", "bleu4": 38.0},
        {"split": "test_2016_flickr", "exponent": "1", "bleu4": 21.0},
    ],
}


def table(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_scores_show_every_run_of_what_is_compared_and_the_published_value(tmp_path):
    made = [
        SimpleNamespace(stage=stage, rows=[row | {"bleu4": row["bleu4"] + seed} for row in rows])
        for stage, rows in SCORES.items()
        for seed in range(2)
    ]
    published = SimpleNamespace(value=41.5)
    run = SimpleNamespace(inputs=made, figure=tmp_path.joinpath, reported=lambda metric, **where: published)
    figures_scores.draw(run)  # pyright: ignore
    found = table(tmp_path / "scores.csv")
    assert [line["runs"] for line in found] == ["40 41", "39 40", "38 39"]
    assert [float(line["mean"]) for line in found] == [40.5, 39.5, 38.5]
    assert {line["published"] for line in found} == {"41.5"}
    assert "published, 41.5" in (tmp_path / "scores.svg").read_text()


def test_bars_of_the_speed_are_the_means_of_the_ratios(tmp_path):
    rows = [
        {"model": model, "dtype": dtype, "step_ratio": 1.0 + number + (dtype == "bf16")}
        for number, model in enumerate(["ours", *figures_speed.MODELS])
        for dtype in figures_speed.DTYPES
    ]
    rows += [{"search": search, "search_ratio": 0.5} for search in ("ours", "whole prefix")]
    longer = [row | {name: row[name] + 1 for name in ("step_ratio", "search_ratio") if name in row} for row in rows]
    made = [SimpleNamespace(rows=rows), SimpleNamespace(rows=longer)]
    figures_speed.draw(SimpleNamespace(inputs=made, figure=tmp_path.joinpath))  # pyright: ignore
    found = {(line["what"], line["of"]): line["time over ours"] for line in table(tmp_path / "speed.csv")}
    assert found["a step, bf16", "torch"] == "3.5" and found["a step, fp32", "torch, its defaults"] == "4.5"
    assert {of: value for (what, of), value in found.items() if what == "a search"} == {"whole prefix": "1"}


def test_the_architecture_shows_the_shapes_and_the_size_of_the_model_that_translates(tmp_path):
    config = Config(vocabulary=200, layers=2, d_model=32, d_ff=48, heads=2, d_k=16, beam=2, longer=3, longest=64)
    tokenizer = train_subwords([text for pair in captions() for text in pair], config.vocabulary)
    (tmp_path / "subwords.json").write_text(tokenizer.to_str(), encoding="utf-8")
    halves(build(config, tokenizer.get_vocab_size(), rng()), tmp_path / "averaged.safetensors")
    run = Publishing(tmp_path, config)
    run.figure = tmp_path.joinpath  # pyright: ignore
    figures_architecture.draw(run)  # pyright: ignore
    found = table(tmp_path / "architecture.csv")
    shapes = {line["part"]: line["shape"] for line in found if line["shape"]}
    model = load(config, tmp_path / "averaged.safetensors")
    counts = {line["part"]: int(line["parameters"]) for line in found if line["parameters"]}
    assert counts.pop("all") == sum(counts.values()) == sum(p.numel() for p in model.parameters())
    read, written = (shapes[f"{side}, output"].split(" × ")[0] for side in ("encoder", "decoder"))
    assert shapes["cross attention"] == f"{config.heads} × {written} × {read}"
    assert shapes["decoder attention"] == f"{config.heads} × {written} × {written}"
    assert shapes["encoder, inside the feed-forward network"] == f"{read} × {config.d_ff}"
    assert shapes["logits"] == f"{written} × {len(model.logits_weight)}"
    drawn = "".join(re.findall(r">([^<>]+)</text>", (tmp_path / "architecture.svg").read_text()))
    assert f"{config.layers} layers of encoder" in drawn and f"logits {shapes['logits']}" in drawn
    assert f"{config.d_model} → {config.d_ff} → {config.d_model}" in drawn


def test_shapes_are_the_modules_own_and_not_the_settings():
    model = tiny()
    found = figures_architecture.shapes(model, [5, 6, 7], [8, 9])
    assert found["encoder, output"] == (3, WIDTH) and found["logits"] == (3, 12)
    assert found["decoder, inside the feed-forward network"] == (3, INNER)
    model.decoder[-1].feed_forward = FeedForward(WIDTH, 2 * INNER, rng())
    assert figures_architecture.shapes(model, [5], [8])["decoder, inside the feed-forward network"] == (2, 2 * INNER)
