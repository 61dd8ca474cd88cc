"""Translations of a trained model, and their scores.

`write` needs the checkpoint and leaves translations, which are committed; `score` needs only those, so that a new
measure costs no training. Three scores: BLEU as sacreBLEU computes it, cased, on running text; chrF; and "BLEU4", on
text put in lower case, normalised and tokenised by Moses's rules, as papers on this data report it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from sacrebleu.metrics.bleu import BLEU, BLEUScore
from sacrebleu.metrics.chrf import CHRF
from sacremoses import MosesPunctNormalizer, MosesTokenizer
from safetensors.torch import load_file
from torch import nn

from posts.transformer.data import read_subwords, sentences
from posts.transformer.decode import Begin, Search, steps_of, translate
from posts.transformer.train import build

if TYPE_CHECKING:
    from lockstep.run import Input, Run

    from posts.transformer.experiment import Config
    from posts.transformer.model import Transformer

SPLITS = ("val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
VALIDATION = SPLITS[:1]
WAYS = {  # column of the table of translations: weights, and how they are searched
    "averaged_beam": ("averaged", "beam"),
    "averaged_greedy": ("averaged", "greedy"),
    "last_beam": ("last", "beam"),
    "last_greedy": ("last", "greedy"),
}
M = TypeVar("M", bound=nn.Module)
LENGTHS = {"1–8": (1, 8), "9–11": (9, 11), "12–14": (12, 14), "15–": (15, 1000)}  # words of the source


def load(config: Config, path: Path) -> Transformer:
    """A trained Transformer from its float16 weights, as `load_as` does it."""
    return load_as(build, config, path)


def load_as(make: Callable[[Config, int, torch.Generator], M], config: Config, path: Path) -> M:
    """A trained model from its float16 weights, computing in float32. `make` is the `build` of its module.

    Raises ValueError where the file holds the weights of another model than the settings describe.
    """
    weights = load_file(path)
    model = make(config, len(weights.get("logits_weight", ())), torch.Generator())
    parameters = dict(model.named_parameters())  # tied weights are one parameter, under its first name
    if {name: tensor.shape for name, tensor in weights.items()} != {name: p.shape for name, p in parameters.items()}:
        raise ValueError(f"{path.name} does not hold the weights of the model that the settings describe")
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)
    return model.eval()


def steps_from(config: Config, path: Path) -> Begin:
    return steps_of(load(config, path))


def write(run: Run) -> list[dict[str, Any]]:
    """Translate the validation and test sentences with the mean of the checkpoints and the last one, two ways each.

    Output: SPLIT.csv, a line a sentence, a column a way. Returns no number: `score` does.
    """
    return write_with(run, steps_from)


def write_validation(run: Run) -> list[dict[str, Any]]:
    """`write` of the validation sentences alone: what is only compared with its like never sees a test sentence."""
    return write_with(run, steps_from, VALIDATION)


def write_with(
    run: Run, steps: Callable[[Config, Path], Begin], splits: Sequence[str] = SPLITS
) -> list[dict[str, Any]]:
    """`write` for any model: `steps` makes one from the settings and a file of weights."""
    config, made = run.config, run.inputs[0]
    torch.set_num_threads(1)
    tokenizer = read_subwords(made.open("subwords.json"))
    begins = {name: steps(config, made.open(f"{name}.safetensors")) for name in ("averaged", "last")}
    widths = {"beam": config.beam, "greedy": 1}
    searches = {name: Search(width, config.length_penalty, config.longer) for name, width in widths.items()}
    arrays = run.data("captions")
    for number, split in enumerate(splits, start=1):
        texts = sentences(arrays, f"{split}_en")
        columns = {
            way: translate(
                begins[weights], tokenizer, texts, searches[search], rows=config.decode_rows, longest=config.longest
            )
            for way, (weights, search) in WAYS.items()
        }
        lines = [{way: column[i] for way, column in columns.items()} for i in range(len(texts))]
        run.write_csv(f"{split}.csv", lines)
        run.progress(number, len(splits))
    return []


def bleu(translations: Sequence[str], references: Sequence[str]) -> float:
    """sacreBLEU's default: cased, tokenised by its own 13a rules; 0 to 100."""
    return BLEU().corpus_score(translations, [references]).score


def chrf(translations: Sequence[str], references: Sequence[str]) -> float:
    """chrF2: agreement of character n-grams up to 6, recall weighted twice; 0 to 100."""
    return CHRF().corpus_score(translations, [references]).score


def moses(texts: Sequence[str], language: str) -> list[str]:
    """Lower case, punctuation normalised, tokens apart by spaces: the steps of the data set's own script, in its order.

    That script keeps Moses's escapes, so that a quotation mark is the token `&quot;`.
    """
    normalizer, tokenizer = MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)
    return [str(tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True)) for text in texts]


def bleu4(translations: Sequence[str], references: Sequence[str]) -> BLEUScore:
    """BLEU of tokens as `moses` leaves them, and as `multi-bleu.perl` has it: `score`, 0 to 100, and `bp`, the penalty
    for brevity."""
    scorer = BLEU(tokenize="none", force=True)  # the tokens are ours: no warning that they look tokenised
    return scorer.corpus_score(translations, [references])


def rates(found: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """The three scores, BLEU4's penalty for brevity and what it would be without, and the length in percent."""
    running = {"bleu": bleu(found, references), "chrf": chrf(found, references)}
    return running | token_rates(moses(found, "de"), moses(references, "de"))


def token_rates(found: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """BLEU4, its penalty for brevity and what it would be without, and the length in percent, of tokens as `moses`
    leaves them."""
    whole = bleu4(found, references)
    return {
        "bleu4": whole.score,
        "brevity_penalty": whole.bp,
        "unpenalised_bleu4": whole.score / whole.bp if whole.bp else 0.0,
        "relative_length": 100 * whole.sys_len / whole.ref_len,
    }


def score(run: Run) -> list[dict[str, Any]]:
    """Scores and length of every way on every split, then BLEU of the main way by the length of the source."""
    return score_on(run, SPLITS)


def score_validation(run: Run) -> list[dict[str, Any]]:
    """`score` of what `write_validation` wrote."""
    return score_on(run, VALIDATION)


def score_on(run: Run, splits: Sequence[str]) -> list[dict[str, Any]]:
    made, arrays = run.inputs[0], run.data("captions")
    rows: list[dict[str, Any]] = []
    for number, split in enumerate(splits, start=1):
        references = sentences(arrays, f"{split}_de")
        rows += scores_of(made, split, references)
        rows += by_length(made, split, sentences(arrays, f"{split}_en"), references)
        run.progress(number, len(splits))
    return rows


def scores_of(made: Input, split: str, references: Sequence[str]) -> list[dict[str, Any]]:
    lines = made.csv(f"{split}.csv", text=True)
    rows = []
    for way, (weights, search) in WAYS.items():
        measured = rates([line[way] for line in lines], references)
        rows.append({"split": split, "weights": weights, "search": search} | measured)
    return rows


def by_length(made: Input, split: str, sources: Sequence[str], references: Sequence[str]) -> list[dict[str, Any]]:
    """BLEU of the averaged weights under beam search, for short sources and for long ones apart."""
    found = [line["averaged_beam"] for line in made.csv(f"{split}.csv", text=True)]
    rows = []
    for name, (shortest, longest) in LENGTHS.items():
        within = [i for i, source in enumerate(sources) if shortest <= len(source.split()) <= longest]
        if within:
            score = bleu([found[i] for i in within], [references[i] for i in within])
            rows.append({"split": split, "length": name, "bleu_of_length": score, "sentences": float(len(within))})
    return rows


def follow(run: Run) -> list[dict[str, Any]]:
    """BLEU on the validation sentences as training goes on: each kept checkpoint as it was, translated greedily.

    Returns a row for each, which growth.csv holds as well.
    """
    return follow_with(run, steps_from)


def follow_with(run: Run, steps: Callable[[Config, Path], Begin]) -> list[dict[str, Any]]:
    """`follow` for any model: `steps` makes one from the settings and a file of weights."""
    config, made = run.config, run.inputs[0]
    torch.set_num_threads(1)
    tokenizer = read_subwords(made.open("subwords.json"))
    arrays = run.data("captions")
    texts, references = sentences(arrays, "val_en"), sentences(arrays, "val_de")
    search = Search(1, config.length_penalty, config.longer)
    kept = range(config.keep_every, config.updates + 1, config.keep_every)
    rows = []
    for number, update in enumerate(kept, start=1):
        begin = steps(config, made.open(f"weights-{update}.safetensors"))
        found = translate(begin, tokenizer, texts, search, rows=config.decode_rows, longest=config.longest)
        rows.append({"update": update, "validation_bleu": bleu(found, references)})
        run.progress(number, len(kept), bleu=rows[-1]["validation_bleu"])
    run.write_csv("growth.csv", rows)
    return rows
