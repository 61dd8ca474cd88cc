"""Figures say what the runs say: drawn from tables made up here, and read back from the data beside them."""

import csv
import struct

import pytest
from posts.resnet.experiment import Config
from posts.resnet.figures import common, curves, glance, inside, scale, training

DEPTHS, SEEDS = (20, 56, 110), range(3)


class Made:
    """A finished run with rows and tables."""

    def __init__(self, stage, rows=(), tables=None, **keys):
        self.stage, self.keys, self.rows, self.tables = stage, keys, list(rows), tables or {}

    def csv(self, name):
        return self.tables[name]


class Drawing:
    """A run of a stage that draws."""

    config = Config()

    def __init__(self, folder, inputs):
        self.folder, self.inputs = folder, inputs

    def figure(self, name):
        return self.folder / name

    def reported(self, metric, **where):
        assert (metric, where) == ("test_error", {"depth": 20})
        return type("Reported", (), {"value": 8.75})

    def drawn(self, name):
        """The data of a figure as {(panel, series): [(x, y), …]}, and its text."""
        series: dict[tuple[str, str], list[tuple[float, float]]] = {}
        with (self.folder / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                series.setdefault((row["panel"], row["series"]), []).append((float(row["x"]), float(row["y"])))
        return series, (self.folder / f"{name}.svg").read_text()


def final(network, layers, seed):
    """A made-up error: plain networks get worse with depth, residual ones do not."""
    return 20 + seed + (layers / 10 if network == "plain" else -layers / 40)


def trainings():
    for network in ("residual", "plain"):
        for layers in DEPTHS:
            for seed in SEEDS:
                error = final(network, layers, seed)
                row = {"train_error": error, "validation_error": error + 5}
                curve = [{"update": u, "error": error + 6000 / u} for u in range(1000, 7000, 1000)]
                keys = {"network": network, "depth": layers, "seed": seed}
                yield Made("degradation", [row], {"curve.csv": curve}, **keys)


def test_the_glance_shows_a_block_and_every_seed_and_the_means_by_depth(tmp_path):
    run = Drawing(tmp_path, list(trainings()))
    glance.draw(run)  # type: ignore[arg-type]
    series, text = run.drawn("glance")
    expected = [(place, pytest.approx(final("plain", layers, 1))) for place, layers in enumerate(DEPTHS)]
    assert series["2", "plain, mean"] == expected
    dots = [(place, final("residual", layers, seed)) for place, layers in enumerate(DEPTHS) for seed in SEEDS]
    assert series["2", "residual"] == [(place, pytest.approx(error)) for place, error in dots]
    assert ">plain<" in text and ">residual<" in text and ">110<" in text
    assert ">+<" in text


def test_the_card_names_both_lines_and_is_of_the_size_that_messengers_show(tmp_path):
    glance.draw_card(Drawing(tmp_path, list(trainings())))  # type: ignore[arg-type]
    text = (tmp_path / "card.svg").read_text()
    assert ">plain<" in text and ">residual<" in text and ">56<" in text
    header = (tmp_path / "card.png").read_bytes()[16:24]
    assert struct.unpack(">II", header) == (1200, 630)


def test_curves_are_those_of_the_shallowest_network_and_of_56_layers(tmp_path):
    run = Drawing(tmp_path, list(trainings()))
    curves.draw(run)  # type: ignore[arg-type]
    series, _ = run.drawn("curves")
    assert series["plain", "56 layers"][-1] == (6000, pytest.approx(final("plain", 56, 1) + 1))
    assert ("plain", "110 layers") not in series and ("residual", "20 layers") in series


def test_the_training_is_drawn_beside_the_published_error(tmp_path):
    inputs = []
    for seed in SEEDS:
        curve = [{"update": u, "error": 60000 / u + seed} for u in range(400, 64400, 400)]
        held = [{"update": u, "validation_error": 60000 / u + 8 + seed} for u in range(1600, 65600, 1600)]
        inputs.append(Made("train", [], {"curve.csv": curve, "held-out.csv": held}, seed=seed))
    run = Drawing(tmp_path, inputs)
    training.draw(run)  # type: ignore[arg-type]
    series, text = run.drawn("training")
    assert series["", "validation, seed 2"][-1] == (64000, pytest.approx(60000 / 64000 + 10))
    assert len(series["", "training, seed 0"]) == 160
    assert "published, on test images" in text


def test_the_insides_of_the_deep_networks_are_drawn(tmp_path):
    inputs = []
    for network in ("residual", "plain"):
        for layers in DEPTHS:
            for seed in SEEDS:
                keys = {"network": network, "depth": layers, "seed": seed}
                places = [
                    {"when": when, "block": i, "signal": 10.0 ** (-i / 9), "weights": 1}
                    for when in ("start", "end")
                    for i in range(layers // 2)
                ]
                inputs.append(Made("gradients", [], {"gradients.csv": places}, **keys))
                spread = [{"layer": i, "response": 0.5 + (network == "plain") + seed / 10} for i in range(layers - 1)]
                inputs.append(Made("responses", [], {"responses.csv": spread}, **keys))
                kinds = ("deleted", "swapped", "cut") if network == "residual" else ("deleted", "swapped")
                harm = [{"lesion": kind, "block": i, "error": 30.0 + i + seed} for kind in kinds for i in range(5)]
                harm.append({"lesion": "none", "block": 0, "error": 25.0 + seed})
                inputs.append(Made("lesions", [], {"lesions.csv": harm}, **keys))
    run = Drawing(tmp_path, inputs)
    inside.draw(run)  # type: ignore[arg-type]
    series, _ = run.drawn("gradients")
    assert series["before training", "plain"][18] == (18, pytest.approx(0.01))
    assert len(series["after it", "residual"]) == 28
    series, _ = run.drawn("responses")
    assert series["", "plain, 56 layers"][3] == (3, pytest.approx(1.6))
    assert len(series["", "residual, 110 layers"]) == 109
    series, _ = run.drawn("lesions")
    assert series["one shortcut cut", "residual"] == [(i, pytest.approx(31.0 + i)) for i in range(5)]
    assert ("one shortcut cut", "plain") not in series and ("two blocks exchanged", "plain") in series


def test_the_scale_is_drawn_between_the_plain_and_the_residual_network(tmp_path):
    inputs = list(trainings())
    for alpha in (0.25, 0.5, 0.75):
        for seed in SEEDS:
            row = {"train_error": 30 - 10 * alpha + seed, "validation_error": 40 + seed}
            inputs.append(Made("scaled", [row], alpha=alpha, depth=56, seed=seed))
    run = Drawing(tmp_path, inputs)
    scale.draw(run)  # type: ignore[arg-type]
    series, _ = run.drawn("scale")
    means = dict(series["", "training, mean"])
    assert means[0.0] == pytest.approx(final("plain", 56, 1)) and means[1.0] == pytest.approx(final("residual", 56, 1))
    assert means[0.5] == pytest.approx(26) and list(means) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_the_deep_network_is_that_of_56_layers_or_the_deepest_there_is():
    assert (common.deep([20, 56, 110]), common.deep([8, 14])) == (56, 14)
