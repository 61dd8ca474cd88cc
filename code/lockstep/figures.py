"""Figures that are the same bytes every time, look set in the page, and read well in light and dark.

matplotlib draws in placeholder colours, which become CSS variables in the SVG; a rule for dark schemes gives them
their other values. Text stays text, in the page's own typeface: matplotlib measures with it, and the SVG carries the
glyphs that it shows. Beside each figure goes a table of what was drawn. Importing this costs nothing: matplotlib is
imported where it is used.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Run

INK, MUTED, GRID = "#1d1b18", "#635e55", "#dcd7cc"
# after Okabe and Ito, darkened: the first four can carry text, all are told apart with any colour vision
PALETTE = ("#14478f", "#b84300", "#2c8163", "#a8578f", "#5b93d6", "#ad8a00")
DARK = {
    INK: "#e7e2d8",
    MUTED: "#a8a195",
    GRID: "#38352f",
    "#14478f": "#4f97ee",
    "#b84300": "#f0804a",
    "#2c8163": "#7fdcb0",
    "#a8578f": "#d884bd",
    "#5b93d6": "#b4cff5",
    "#ad8a00": "#eebf3a",
}
PAPER = "#fbfaf6"  # of the page in its light scheme
CARD, CARD_DPI = (4.8, 2.52), 250  # inches, and dots to the inch: 1200 × 630, as messengers show pictures
FAMILY = "Source Serif 4"
FONT = Path(__file__).parent / "fonts" / "source-serif-4.ttf"


@contextmanager
def figure(
    path: Path,
    width: float = 6.6,
    height: float = 3.4,
    data: Sequence[Mapping[str, Any]] | None = None,
    **subplots: Any,
) -> Iterator[tuple[Any, Any]]:
    """`with figure(path) as (figure, axes):` draws, and writes an SVG at the end, and its data as CSV beside it.

    Sizes in inches. `data` are the rows behind the picture; left out, they are what was drawn, each series called by
    its label (one that starts with an underscore is in no legend).
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from cycler import cycler
    from matplotlib.font_manager import fontManager

    if FAMILY not in fontManager.get_font_names():
        fontManager.addfont(FONT)
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "lockstep",
        "font.family": [FAMILY, "DejaVu Serif"],
        "font.size": 11,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.linewidth": 1.4,
        "legend.frameon": False,
        "axes.prop_cycle": cycler(color=PALETTE),
        "figure.constrained_layout.use": True,
    }
    with plt.rc_context(style):
        drawn, axes = plt.subplots(figsize=(width, height), **subplots)
        yield drawn, axes
        text = io.StringIO()
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        rows = drawn_data(drawn) if data is None else data
        plt.close(drawn)
    path.write_text(themed(text.getvalue()), encoding="utf-8")
    if rows:
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


@contextmanager
def card(run: Run, **subplots: Any) -> Iterator[Any]:
    """The picture that stands for a post, drawn as `figure` draws: card.svg, and card.png for messengers.

    It has the size at which they show pictures, and is read at that of a card: few words, large.
    """
    with figure(run.figure("card.svg"), *CARD, data=[], **subplots) as (drawn, axes):
        yield drawn, axes
        drawn.savefig(
            run.figure("card.png"), dpi=CARD_DPI, facecolor=PAPER, transparent=True, metadata={"Software": None}
        )


def themed(svg: str) -> str:
    """The SVG with its colours as variables that follow the reader's scheme, and the glyphs of its text."""
    names = {colour: f"--c{number}" for number, colour in enumerate(DARK)}
    for colour, name in names.items():
        svg = svg.replace(colour, f"var({name})")
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{DARK[colour]};" for colour, name in names.items())
    in_dark = f"svg{{{dark}}}image{{filter:invert(.91)}}"
    rules = f"svg{{{light}}}@media (prefers-color-scheme:dark){{{in_dark}}}{typeface(svg)}"
    rules += "image{image-rendering:pixelated}"
    head, end, rest = svg.partition("<defs>")
    return f"{head}<style>{rules}</style>{end}{rest}"


def diagram(text: bytes, colours: Mapping[str, str]) -> str:
    """An SVG of a graph in Graphviz's language, with text as text, in colours that follow the reader's scheme.

    `colours` maps names in the text, such as `@path`, to colours of this module. A stage that draws one declares
    `programs=["dot"]`. Raises LockstepError without Graphviz, or for what is no graph.
    """
    import shutil
    import subprocess

    from lockstep.errors import LockstepError

    if shutil.which("dot") is None:
        raise LockstepError("Graphviz is not installed: the program dot draws this diagram (apt install graphviz)")
    for name, colour in colours.items():
        text = text.replace(name.encode(), colour.encode())
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=False)
    if done.returncode:
        raise LockstepError(f"dot does not draw this diagram: {done.stderr.decode().strip()}")
    # out go the comments, and titles: the names of nodes would show as tooltips
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", done.stdout.decode("utf-8"), flags=re.DOTALL)
    return themed(re.sub(r"(<svg[^>]*>)", r"\1<defs></defs>", svg, count=1))


def typeface(svg: str) -> str:
    """CSS with the part of the page's typeface that the text of an SVG needs: an image can load no font."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    shown = "".join(unescape(re.sub(r"<[^>]*>", "", text)) for text in re.findall(r"<text\b.*?</text>", svg, re.DOTALL))
    options = Options()
    options.layout_features, options.hinting, options.name_IDs = [], False, []
    font = TTFont(FONT, recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(text=shown or " ")
    subsetter.subset(font)
    font.flavor = "woff"
    packed = io.BytesIO()
    font.save(packed)
    source = f"url(data:font/woff;base64,{base64.b64encode(packed.getvalue()).decode()})"
    return f"@font-face{{font-family:'{FAMILY}';src:{source}}}text{{font-family:'{FAMILY}',Georgia,serif!important}}"


def drawn_data(drawn: Any) -> list[dict[str, str]]:
    """What a figure shows as numbers: a row for each point of its lines, dots, bars and steps."""
    import numpy as np
    from matplotlib.patches import StepPatch

    rows = []
    for number, axes in enumerate(drawn.axes, start=1):
        panel = axes.get_title() or (str(number) if len(drawn.axes) > 1 else "")
        series = [
            (line, np.asarray(line.get_xydata())) for line in axes.lines if line.get_transform() == axes.transData
        ]
        series += [
            (points, np.asarray(points.get_offsets())) for points in axes.collections if len(points.get_offsets())
        ]
        for steps in [patch for patch in axes.patches if isinstance(patch, StepPatch)]:
            values, edges, _ = steps.get_data()
            series.append((steps, np.column_stack([edges[:-1], values])))
        for bars in axes.containers:
            boxes = [bar.get_bbox() for bar in getattr(bars, "patches", [])]
            series.append((bars, np.array([((box.x0 + box.x1) / 2, box.y1) for box in boxes]).reshape(-1, 2)))
        for place, (artist, points) in enumerate(series, start=1):
            label = str(artist.get_label()).removeprefix("_")
            name = f"series {place}" if re.fullmatch(r"(child|container)?\d+", label) else label
            rows += [
                {"panel": panel, "series": name, "x": f"{x:.10g}", "y": f"{y:.10g}"}
                for x, y in points
                if np.isfinite([x, y]).all()
            ]
    return rows


def tiles(images: Any, columns: int, side: int, gap: int = 2) -> Any:
    """Images (N, side·side) in [0, 1] as one picture, `columns` to a row, white between them."""
    import numpy as np

    rows = -(-len(images) // columns)
    sheet = np.ones((rows * (side + gap) - gap, columns * (side + gap) - gap), dtype=np.float32)
    for number, image in enumerate(images):
        top, left = (number // columns) * (side + gap), (number % columns) * (side + gap)
        sheet[top : top + side, left : left + side] = 1 - np.asarray(image).reshape(side, side)
    return sheet


def show(axes: Any, sheet: Any) -> None:
    """A grey picture in [0, 1] as ink of more or less cover: the page shines through where it is white."""
    import numpy as np
    from matplotlib.colors import to_rgb

    cover = 1 - np.asarray(sheet, dtype=np.float32)
    axes.imshow(np.dstack([*(np.full_like(cover, part) for part in to_rgb(INK)), cover]), interpolation="none")
