"""The model at a glance: one caption on its way through it, with the shape of every tensor and the attention maps.

Every number in the drawing is read off a model that has just translated: shapes are what its modules returned,
parameters what it holds. So the drawing cannot show another model than the one that is scored.
"""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import GRID, INK, MUTED, PALETTE, figure
from torch import Tensor, nn

from posts.transformer.data import encode, read_subwords, sentences
from posts.transformer.demo import attention_maps, example
from posts.transformer.evaluate import load
from posts.transformer.model import START, Transformer

if TYPE_CHECKING:
    from lockstep.run import Run

CANDIDATES = 30  # captions, the shortest of the validation set: the surest translation of them is drawn
WIDTH, HEIGHT = 4.4, 3.5  # inches
LEFT, RIGHT, COLUMN = 0.0, 2.35, 2.05  # where the encoder and the decoder begin, and how wide they are
STEM = 0.4  # how far from the left of a column its arrow runs
TOP = 2.5  # of the boxes of the layers
SIZE = 11.5  # points: it is read on a phone, too
ACROSS = 20  # characters of a sentence in a line


def draw(run: Run) -> dict[str, Any]:
    """Figure: architecture.svg, and its shapes and counts as a table. Reads the first seed's averaged weights."""
    torch.set_num_threads(1)
    trained = min(run.inputs, key=lambda made: made.keys["seed"])
    tokenizer, model = (
        read_subwords(trained.open("subwords.json")),
        load(run.config, trained.open("averaged.safetensors")),
    )
    texts = sentences(run.data("captions"), "val_en")
    lengths = [len(row) for row in encode(tokenizer, texts, run.config.longest)]
    shortest = sorted(range(len(texts)), key=lengths.__getitem__)[:CANDIDATES]
    found = max((example(model, tokenizer, texts[i], run.config) for i in shortest), key=lambda made: made["score"])
    maps = attention_maps(model, found["source"], found["written"])
    table = shapes(model, found["source"], found["written"]) | {
        f"{kind} attention": tuple(weights_LHQK.shape[1:]) for kind, weights_LHQK in maps.items()
    }
    counts = parameters(model)
    data = [{"part": part, "shape": said(shape), "parameters": ""} for part, shape in table.items()]
    data += [{"part": part, "shape": "", "parameters": count} for part, count in counts.items()]
    with figure(run.figure("architecture.svg"), WIDTH, HEIGHT, data=data) as (drawn, axes):
        drawn.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))  # a unit of its axes is an inch
        axes.set_axis_off()
        picture(axes, found, table, counts, {kind: weights[-1] for kind, weights in maps.items()}, len(model.encoder))
        axes.set(xlim=(-0.01, WIDTH + 0.01), ylim=(0, HEIGHT))
    return {}


@torch.inference_mode()
def shapes(model: Transformer, source: list[int], written: list[int]) -> dict[str, tuple[int, ...]]:
    """What the modules return for one sentence, the batch left out: (positions, width) each."""
    watched = {
        "embedded source": model.source,
        "embedded target": model.target,
        "encoder, inside the feed-forward network": model.encoder[-1].feed_forward.inner,
        "encoder, output": model.encoder[-1],
        "decoder, inside the feed-forward network": model.decoder[-1].feed_forward.inner,
        "decoder, output": model.decoder[-1],
    }
    found: dict[str, tuple[int, ...]] = {}

    def watch(part: str) -> Any:
        def note(module: nn.Module, given: Any, made: Tensor) -> None:
            found[part] = tuple(made.shape[1:])

        return note

    handles = [module.register_forward_hook(watch(part)) for part, module in watched.items()]
    states = model(torch.tensor([source]), torch.tensor([[START, *written]]))
    for handle in handles:
        handle.remove()
    return found | {"logits": tuple(model.logits(states).shape[1:])}


def parameters(model: Transformer) -> dict[str, int]:
    """How many parameters each part holds; what is tied counts once."""
    parts = {"encoder": model.encoder, "decoder": model.decoder}
    counts = {part: sum(p.numel() for p in module.parameters()) for part, module in parts.items()}
    total = sum(p.numel() for p in model.parameters())
    return {"embedding": total - sum(counts.values()), **counts, "all": total}


def said(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def picture(
    axes: Any,
    found: dict[str, Any],
    table: dict[str, tuple[int, ...]],
    counts: dict[str, int],
    last: dict[str, Tensor],
    layers: int,
) -> None:
    """From top to bottom: the sentences, the shared embedding, encoder and decoder side by side, the logits."""
    for left, text in ((LEFT, found["text"]), (RIGHT, found["translation"])):
        write(axes, left, 3.32, fill(text, ACROSS), align="left")
    box(axes, LEFT, 2.77, RIGHT + COLUMN, 0.3)
    embedded = (table["logits"][1], table["embedded source"][1])
    write(axes, (RIGHT + COLUMN) / 2, 2.92, f"embedding {said(embedded)}, plus positions")
    for left, part in ((LEFT, "embedded source"), (RIGHT, "embedded target")):
        arrow(axes, (left + STEM, 2.76), (left + STEM, TOP + 0.01))
        write(axes, left + STEM + 0.12, 2.64, said(table[part]), color=MUTED, align="left")
    encoder = [("self-attention", last["encoder"]), ("feed-forward", None)]
    decoder = [
        ("masked self-attention", last["decoder"]),
        ("attention to the source", last["cross"]),
        ("feed-forward", None),
    ]
    read = stack(axes, LEFT, "encoder", f"{layers} layers of encoder", encoder, table)
    end = stack(axes, RIGHT, "decoder", f"{layers} layers of decoder", decoder, table)
    across, enters = RIGHT - 0.15, TOP - 1.24  # in between the columns, up to the attention to the source
    way = [(LEFT + STEM, read), (LEFT + STEM, read - 0.3), (across, read - 0.3), (across, enters)]
    axes.plot(*zip(*way, strict=True), color=PALETTE[1], linewidth=1.4, solid_joinstyle="miter")
    arrow(axes, (across, enters), (RIGHT, enters), PALETTE[1])
    write(axes, LEFT + STEM + 0.12, read - 0.15, said(table["encoder, output"]), color=PALETTE[1], align="left")
    arrow(axes, (RIGHT + STEM, end - 0.01), (RIGHT + STEM, end - 0.24))
    write(axes, RIGHT + STEM + 0.12, end - 0.13, said(table["decoder, output"]), color=MUTED, align="left")
    write(axes, RIGHT, end - 0.37, f"logits {said(table['logits'])}", align="left")
    write(axes, LEFT, end - 0.1, f"{counts['all']:,}", size=17, align="left")
    write(axes, LEFT, end - 0.37, "parameters in all", color=MUTED, align="left")


def stack(
    axes: Any, left: float, side: str, title: str, parts: list[tuple[str, Tensor | None]], table: dict[str, Any]
) -> float:
    """A box for the layers of one side, the maps of the last one in it; returns where it ends."""
    write(axes, left + 0.1, TOP - 0.15, title, color=PALETTE[0], align="left")
    y = TOP - 0.32
    for text, maps in parts:
        write(axes, left + 0.1, y - 0.08, text, align="left")
        if maps is None:
            inner = table[f"{side}, inside the feed-forward network"][-1]
            width = table[f"{side}, output"][-1]
            write(axes, left + 0.1, y - 0.27, f"{width} → {inner} → {width}", color=MUTED, align="left")
            y -= 0.42
            continue
        write(axes, left + COLUMN - 0.08, y - 0.36, said(tuple(maps.shape)), color=MUTED, align="right")
        draw_maps(axes, left + 0.1, y - 0.52, maps)
        y -= 0.62
    box(axes, left, y, COLUMN, TOP - y)
    return y


def draw_maps(axes: Any, left: float, bottom: float, weights_HQK: Tensor) -> None:
    """The map of each head, a query a row, side by side; ink the fuller the larger the weight."""
    import numpy as np
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    side = min(0.32, 1.24 / len(weights_HQK) - 0.02)
    for head, weights_QK in enumerate(weights_HQK):
        x = left + head * (side + 0.02)
        cover_QK = weights_QK.sqrt().numpy()
        ink = np.dstack([*(np.full_like(cover_QK, part) for part in to_rgb(INK)), cover_QK])
        axes.imshow(ink, extent=(x, x + side, bottom, bottom + side), interpolation="none", aspect="auto")
        axes.add_patch(Rectangle((x, bottom), side, side, fill=False, edgecolor=GRID, linewidth=0.6))


def write(
    axes: Any, x: float, y: float, text: str, *, size: float = SIZE, color: str = INK, align: str = "center"
) -> None:
    axes.text(x, y, text, size=size, color=color, ha=align, va="center")


def box(axes: Any, left: float, bottom: float, width: float, height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = {"boxstyle": "round,pad=0,rounding_size=0.06", "fill": False, "edgecolor": MUTED, "linewidth": 0.9}
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, **style))


def arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str = MUTED) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.2, "mutation_scale": 8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)
