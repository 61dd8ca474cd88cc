"""What the demos in the page load: the weights and subwords that training kept, the graphs that compute with them,
worked examples, the attention maps of one sentence, and the posters that stand in the page until then.

The examples are what PyTorch makes of validation sentences. The page opens with the first and compares its own search
with them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import PALETTE, figure
from torch import Tensor

from posts.transformer.data import encode, padded, read_subwords, sentences
from posts.transformer.decode import Search, beam_search, greedy, length_penalty, steps_of
from posts.transformer.evaluate import load
from posts.transformer.export import Sizes, export_decoder, export_encoder
from posts.transformer.model import END, START, UNKNOWN, MultiHeadAttention, Transformer

if TYPE_CHECKING:
    from lockstep.run import Run
    from tokenizers import Tokenizer

    from posts.transformer.experiment import Config

EXAMPLES = 3
SHORTEST, LONGEST = 9, 16  # tokens of an example's source: a map that fills the page, and fits a phone
DOUBT = 100  # validation captions, of whose scores the lowest but one is where the page begins to doubt
TYPED = 220  # characters that the page lets a reader type: no caption of the data is longer
THOUSANDTHS = 1000  # attention is written in whole ones
SHOWN = 0.03  # a weight below this draws nothing in a poster


def publish(run: Run) -> dict[str, Any]:
    """Publish the first seed's averaged model, byte for byte, with what both demos need beside it."""
    torch.set_num_threads(1)
    trained = min(run.inputs, key=lambda made: made.keys["seed"])
    weights, subwords = run.demo("translate.weights.safetensors"), run.demo("translate.subwords.json")
    shutil.copyfile(trained.open("averaged.safetensors"), weights)
    shutil.copyfile(trained.open("subwords.json"), subwords)
    sizes = Sizes(run.config.layers, run.config.heads, run.config.d_k)
    export_encoder(weights, sizes, run.demo("translate.encoder.onnx"))
    export_decoder(weights, sizes, run.demo("translate.decoder.onnx"))

    tokenizer = read_subwords(subwords)
    model = load(run.config, weights)
    captions = sentences(run.data("captions"), "val_en")
    shown = [example(model, tokenizer, text, run.config) for text in choose(tokenizer, captions)]
    scores = [example(model, tokenizer, text, run.config)["score"] for text in captions[:DOUBT]]
    more = {"unsure": sorted(scores)[1], "examples": shown}
    write(run.demo("translate.json"), settings(run.config) | more)

    first = shown[0]
    maps = attention_maps(model, first["source"], first["written"])
    source, read, written = (
        [str(tokenizer.id_to_token(token)) for token in row]
        for row in (first["source"], [START, *first["written"]], [*first["written"], END])
    )
    told = {"text": first["text"], "translation": first["translation"]}
    told |= {"source": source, "read": read, "written": written}
    whole = {kind: (weights * THOUSANDTHS).round().int().tolist() for kind, weights in maps.items()}
    write(run.demo("attention.json"), told | {"scale": THOUSANDTHS, "maps": whole})
    poster(run.demo("translate.svg"), maps["cross"].mean(dim=(0, 1)), written, source, "mean over layers and heads")
    poster(run.demo("attention.svg"), maps["encoder"][0, 0], source, source, "encoder, layer 1, head 1")
    return {}


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def settings(config: Config) -> dict[str, Any]:
    """What the page must know to search as decode.py does, so that no script has a number of its own."""
    tokens = {"start": START, "end": END, "unknown": UNKNOWN}
    sizes = {"layers": config.layers, "heads": config.heads, "d_k": config.d_k}
    search = {"beam": config.beam, "length_penalty": config.length_penalty, "longer": config.longer}
    return tokens | sizes | search | {"longest": config.longest, "typed": TYPED}


def choose(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """The first sentences whose tokens, END included, are neither few nor many; others where these run out."""
    counts = [len(row) for row in encode(tokenizer, texts, LONGEST + 1)]
    order = sorted(range(len(texts)), key=lambda i: not SHORTEST <= counts[i] <= LONGEST)
    return [texts[i] for i in order[:EXAMPLES]]


@torch.inference_mode()
def example(model: Transformer, tokenizer: Tokenizer, text: str, config: Config) -> dict[str, Any]:
    """A sentence, its tokens, what greedy and beam search make of it, and the score that ranks the latter."""
    source = encode(tokenizer, [text], config.longest - config.longer)
    (first,) = greedy(steps_of(model), padded(source), config.longer)
    search = Search(config.beam, config.length_penalty, config.longer)
    (best,) = beam_search(steps_of(model), padded(source), search)
    target_1T = torch.tensor([[START, *best, END]])
    log_p_TV = model.logits(model(padded(source), target_1T[:, :-1]))[0].log_softmax(dim=-1)
    score = log_p_TV.gather(1, target_1T[0, 1:, None]).sum() / length_penalty(len(best) + 1, config.length_penalty)
    found = {"text": text, "source": source[0], "greedy": first, "written": best}
    return found | {"translation": tokenizer.decode(best), "score": float(score)}


@torch.inference_mode()
def attention_maps(model: Transformer, source: Sequence[int], written: Sequence[int]) -> dict[str, Tensor]:
    """Attention in the encoder (L, H, S, S), the decoder (L, H, T, T), and from the decoder to the source (L, H, T, S).

    Row t of the decoder is the step that writes token t; it has read START and the tokens before.
    """
    maps: dict[str, list[Tensor]] = {"encoder": [], "decoder": [], "cross": []}
    watched: list[MultiHeadAttention] = []
    for kind, layers, part in (
        ("encoder", model.encoder, "attention"),
        ("decoder", model.decoder, "attention"),
        ("cross", model.decoder, "cross"),
    ):
        for layer in layers:
            watched.append(getattr(layer, part))
            watched[-1].watch = maps[kind].append
    model(torch.tensor([source]), torch.tensor([[START, *written]]))
    for attention in watched:
        attention.watch = None
    return {kind: torch.stack([weights_1HQK[0] for weights_1HQK in found]) for kind, found in maps.items()}


def label(token: str) -> str:
    """A token as people read it, and as the page shows it: a piece that goes on with a word begins with a dot."""
    if token.startswith("▁"):
        return token[1:] or "_"
    return f"·{token}" if re.match(r"[^\W_]", token) else token


def poster(path: Path, weights_QK: Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> None:
    """An SVG of one map: a query a row, a key a column, squares the fuller of ink the larger the weight."""
    from matplotlib.patches import Rectangle

    height, width = weights_QK.shape
    with figure(path, 6.6, 1.2 + 0.29 * height, data=[]) as (_, axes):
        for query, key in (weights_QK > SHOWN).nonzero().tolist():
            strength = float(weights_QK[query, key]) ** 0.5  # as in the page: small weights would not be seen
            axes.add_patch(Rectangle((key, query), 1, 1, color=PALETTE[1], alpha=round(strength, 2), linewidth=0))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_xticks(
            [key + 0.5 for key in range(width)], [label(token) for token in columns], rotation=45, ha="left"
        )
        axes.set_yticks([query + 0.5 for query in range(height)], [label(token) for token in rows])
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.set_xlabel(title)
        axes.grid(False)
        axes.spines[:].set_visible(False)
