"""Figures: the same bytes every time, readable in both schemes with any colour vision, their data beside them."""

import csv
import re
import shutil
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from lockstep.errors import LockstepError
from lockstep.figures import DARK, INK, MUTED, PALETTE, diagram, figure, show

PAPER = {"light": "#fbfaf6", "dark": "#161513"}
# linear RGB as seen without one kind of cone (Machado, Oliveira and Fernandes, 2009, table 1, severity 1.0)
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    low, high = sorted(XYZ[1] @ linear(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    x = XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, vision) -> float:
    seen = [lab(np.asarray(vision) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


def schemes():
    return {"light": PALETTE, "dark": tuple(DARK[colour] for colour in PALETTE)}


@pytest.mark.parametrize("scheme", PAPER)
def test_text_colours_have_the_contrast_of_text_and_the_others_that_of_graphics(scheme):
    for number, colour in enumerate(schemes()[scheme]):
        assert contrast(colour, PAPER[scheme]) >= (4.5 if number < 4 else 3)
    for colour in (INK, MUTED):
        assert contrast(colour if scheme == "light" else DARK[colour], PAPER[scheme]) >= 4.5


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", PAPER)
def test_the_palette_is_told_apart_with_any_colour_vision(scheme, vision):
    assert nearest(schemes()[scheme], VISION[vision]) > 12
    assert nearest(("#b84300", "#6a7300"), VISION["deuteranopia"]) < 12, "the measure must see a red beside its green"


def draw(path):
    with figure(path) as (_, axes):
        axes.plot([0, 1, 2], [1, 4, float("nan")], label="_seed 0")
        axes.scatter([5], [6], label="a, b")
        axes.axhline(3)
        axes.set_title("Läufe <über> σ")
    return path.read_text()


def test_a_figure_is_the_same_bytes_every_time(tmp_path):
    assert draw(tmp_path / "one.svg") == draw(tmp_path / "two.svg")


def test_the_text_of_a_figure_is_text_in_a_typeface_that_it_carries(tmp_path):
    svg = draw(tmp_path / "one.svg")
    assert ">Läufe &lt;über&gt; σ</text>" in svg
    assert re.search(
        r"@font-face\{font-family:'Source Serif 4';src:url\(data:font/woff;base64,[A-Za-z0-9+/=]{2000,}", svg
    )


def test_colours_of_a_figure_follow_the_scheme(tmp_path):
    svg = draw(tmp_path / "one.svg")
    drawn = svg.partition("</style>")[2]
    assert PALETTE[0] not in drawn
    assert "var(--c3)" in drawn
    assert f"--c3:{PALETTE[0]}" in svg
    assert f"--c3:{DARK[PALETTE[0]]}" in svg.partition("prefers-color-scheme:dark")[2]


def test_what_was_drawn_lies_beside_the_figure_as_numbers(tmp_path):
    draw(tmp_path / "one.svg")
    with (tmp_path / "one.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["series"], row["x"], row["y"]) for row in rows] == [
        ("seed 0", "0", "1"),
        ("seed 0", "1", "4"),
        ("a, b", "5", "6"),
    ]


def test_rows_that_are_given_stand_for_those_that_were_drawn(tmp_path):
    with figure(tmp_path / "one.svg", data=[{"seed": 3, "loss": 0.5}]) as (_, axes):
        axes.plot([0, 1], [2, 3])
    assert (tmp_path / "one.csv").read_text() == "seed,loss\n3,0.5\n"


def test_a_picture_has_no_table_and_lets_the_page_shine_through(tmp_path):
    with figure(tmp_path / "one.svg") as (_, axes):
        show(axes, np.array([[0.0, 1.0]]))
        shown = axes.images[0].get_array()
    assert not (tmp_path / "one.csv").exists()
    assert shown[0, 0, 3] == 1
    assert shown[0, 1, 3] == 0


needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
GRAPH = b'digraph { a -> b [color="@ink"]; b [label="a \xc3\xa9", fontcolor="@muted"] }'
NAMED = {"@ink": INK, "@muted": MUTED}


@needs_graphviz
def test_a_diagram_is_text_in_colours_that_follow_the_scheme():
    drawn = diagram(GRAPH, NAMED)
    elements = list(ElementTree.fromstring(drawn.encode()).iter())
    assert "a é" in {"".join(each.itertext()) for each in elements if each.tag.endswith("}text")}
    assert not [each for each in elements if (each.get("stroke") or "").startswith("#")]
    assert "graphviz" not in drawn.lower() and "title" not in drawn
    assert drawn == diagram(GRAPH, NAMED)


@needs_graphviz
def test_what_is_no_graph_is_an_error_that_says_where():
    with pytest.raises(LockstepError, match=r"does not draw this diagram: .*syntax error in line 1"):
        diagram(b"digraph { a -> }", {})


def test_without_graphviz_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LockstepError, match="apt install graphviz"):
        diagram(b"digraph {}", {})
