"""The pictures of the posts: drawn at a card's size from recorded runs, with what they claim to show."""

import re
from pathlib import Path

import pytest
import torch
from lockstep.project.project import Project
from posts.drift import figures_card as drift_card
from posts.gan import figures_card as gan_card
from posts.recommender import figures_card as recommender_card
from posts.transformer.figures import card as transformer_card

PROJECT = Project.find(Path(__file__).parents[2])


class Made:
    """A finished run that a stage reads."""

    def __init__(self, rows=(), table=(), stage=""):
        self.rows, self.table, self.stage = list(rows), list(table), stage

    def csv(self, name):
        return self.table


class Drawing:
    """A run that only draws."""

    def __init__(self, folder, inputs=()):
        self.folder, self.inputs = folder, inputs

    def figure(self, name):
        return self.folder / name


def test_the_card_of_drift_counts_the_edits_that_each_tool_missed(tmp_path):
    table = [
        {"arrangement": arrangement, "group": "all", "edit": edit, "verdict": verdict}
        for arrangement in drift_card.SHOWN
        for edit, verdict in (("one", "right"), ("two", "missed" if arrangement == "dvc-plain" else "needless"))
    ]
    drift_card.draw(Drawing(tmp_path, [Made(table=table)]))
    svg = (tmp_path / "card.svg").read_text()
    assert "2 edits, one at a time" in svg
    assert [svg.count(f">{count}</text>") for count in (0, 1, 2)] == [3, 1, 0]
    assert (tmp_path / "card.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_of_gan_has_the_mean_score_of_each_source():
    rows = [{"source": source, "log_likelihood": value} for source in gan_card.LABELS for value in (1.0, 2.0, 6.0)]
    made = [Made(rows), Made([{"source": "gan", "log_likelihood": 7.0}, {"epoch": 3}])]
    assert gan_card.means(made) == {"gan": 4.0, "training": 3.0, "kmeans": 3.0}


def test_the_card_of_the_recommender_has_a_bar_for_each_model_and_tells_the_best_first(tmp_path):
    rows = {"sasrec": [{"dataset": "beauty", "ndcg": 0.03, "fit_seconds": 372.0}], "baselines": []}
    of_counting = {"dataset": "beauty", "model": "counting", "fit_seconds": 0.2}
    rows["searched"] = [of_counting | {"ndcg": value} for value in (0.04, 0.06)]
    rows["searched"] += [{"dataset": "toys", "model": "counting", "ndcg": 0.9}]
    recommender_card.draw(Drawing(tmp_path, [Made(made, stage=stage) for stage, made in rows.items()]))
    svg = (tmp_path / "card.svg").read_text()
    assert [text for text in re.findall(r">([^<>]+)</text>", svg) if text.startswith("0.")] == ["0.050", "0.030"]
    assert "fitted in 6 min" in svg and "fitted in 0.2 s" in svg


def test_words_are_whole_and_their_full_stop_holds_no_attention():
    pieces = ["▁A", "▁cott", "on", "▁truck", ".", "</s>"]
    found = transformer_card.words(pieces)
    assert found == [("A", slice(0, 1)), ("cotton", slice(1, 3)), ("truck.", slice(3, 4))]
    written = [("Ein", slice(0, 1)), ("Laster", slice(1, 3))]
    weights_TS = torch.tensor([[0.2, 0.1, 0.1, 0.0, 0.3, 0.3], [0, 0, 0, 1.0, 0, 0], [0, 0.5, 0.5, 0, 0, 0]])
    shares_TS = transformer_card.merged(weights_TS, written, found)
    assert shares_TS.tolist() == [pytest.approx([0.5, 0.5, 0.0]), pytest.approx([0.0, 0.5, 0.5])]


@pytest.mark.parametrize("slug", ["drift", "fraud", "gan", "transformer"])
def test_what_a_card_shows_is_what_a_run_recorded(slug):
    post = PROJECT.post(slug)
    drawn = [line for line in post.ledger.lines.values() if line.stage == "card"]
    assert [sorted(line.outputs) for line in drawn] == [["figures/card.png", "figures/card.svg"]]
    if slug == "gan":
        numbers = (post.folder / "figures/card.svg").read_text()
        for made in ("evaluate", "baselines"):
            rows = [row for line in post.ledger.lines.values() if line.stage == made for row in line.rows]
            for source in {row["source"] for row in rows if "source" in row}:
                values = [row["log_likelihood"] for row in rows if row.get("source") == source]
                assert f">{sum(values) / len(values):.0f}</text>" in numbers, source
