"""The post's picture: a caption, its translation, and which words the model looked at. Read at the size of a card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, PALETTE, card
from torch import Tensor

from posts.transformer.data import read_subwords, sentences
from posts.transformer.demo import attention_maps, choose, example
from posts.transformer.evaluate import load
from posts.transformer.model import END

if TYPE_CHECKING:
    from lockstep.run import Run

FAINT = 0.12  # a share of attention below this draws no line


def draw(run: Run) -> dict[str, Any]:
    """Of the demo's examples the one that the model is surest of, by the score of its search; first seed's weights."""
    torch.set_num_threads(1)
    trained = min(run.inputs, key=lambda made: made.keys["seed"])
    tokenizer, model = (
        read_subwords(trained.open("subwords.json")),
        load(run.config, trained.open("averaged.safetensors")),
    )
    texts = choose(tokenizer, sentences(run.data("captions"), "val_en"))
    found = max((example(model, tokenizer, text, run.config) for text in texts), key=lambda made: made["score"])
    weights_TS = attention_maps(model, found["source"], found["written"])["cross"].mean(dim=(0, 1))
    pieces = [[str(tokenizer.id_to_token(token)) for token in found[side]] for side in ("source", "written")]
    read, written = (words([*side, ""] if side[-1] != tokenizer.id_to_token(END) else side) for side in pieces)
    lines(run, [text for text, _ in read], [text for text, _ in written], merged(weights_TS, written, read))
    return {}


def words(pieces: Sequence[str]) -> list[tuple[str, slice]]:
    """The words that pieces make, each with the pieces of its letters; the last piece, the end, is in none.

    Heads that look for nothing rest on the end of the sentence and its full stop, which are left out for that.
    """
    starts = [number for number, piece in enumerate(pieces[:-1]) if number == 0 or piece.startswith("▁")]
    found: list[tuple[str, slice]] = []
    for start, end in zip(starts, [*starts[1:], len(pieces) - 1], strict=True):
        letters = [number for number in range(start, end) if re.search(r"\w", pieces[number])]
        found.append(("".join(pieces[start:end]).replace("▁", ""), slice(start, letters[-1] + 1 if letters else end)))
    return found


def merged(weights_TS: Tensor, written: list[tuple[str, slice]], read: list[tuple[str, slice]]) -> Tensor:
    """Attention between words: the mean over the pieces that write one, the sum over those that are read; each row
    is then a share of what went to words at all, since some of it rests on the end of the sentence."""
    rows = [torch.stack([weights_TS[to, of].sum(dim=1).mean() for _, of in read]) for _, to in written]
    shares_TS = torch.stack(rows)
    return shares_TS / shares_TS.sum(dim=1, keepdim=True)


def lines(run: Run, read: list[str], written: list[str], shares_TS: Tensor) -> None:
    """Words above one another, the source to the left; lines between them, the stronger the more attention."""
    with card(run) as (_, axes):
        left, right = places(len(read)), places(len(written))
        for to, of in (shares_TS > FAINT).nonzero().tolist():
            share = float(shares_TS[to, of])
            style = {"color": PALETTE[1], "alpha": round(min(1.0, 0.15 + share), 2), "linewidth": 0.6 + 4 * share}
            axes.plot([0.02, 0.98], [left[of], right[to]], solid_capstyle="round", **style)
        for place, text in zip(left, read, strict=True):
            axes.text(0, place, text, ha="right", va="center", size=13, color=INK)
        for place, text in zip(right, written, strict=True):
            axes.text(1, place, text, ha="left", va="center", size=13, color=INK)
        axes.set_xlim(-0.62, 1.62)
        axes.set_ylim(1.05, -0.05)
        axes.set_axis_off()


def places(count: int) -> list[float]:
    """Heights of that many words, from 0 to 1."""
    return [(number + 0.5) / count for number in range(count)]
