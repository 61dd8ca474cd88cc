"""The recipe on the text that it was published with: lower-cased tokens in, and lower-cased tokens out.

Everything but the text is what `train` does. The text is prepared by the steps of the data set's own script, as
`evaluate.moses` repeats them, so that what comes out is scored as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy import uint8
from numpy.typing import NDArray

from posts.transformer.data import read_subwords, sentences
from posts.transformer.decode import Search, translate
from posts.transformer.evaluate import SPLITS, moses, steps_from, token_rates
from posts.transformer.train import build, optimise, prepare

if TYPE_CHECKING:
    from lockstep.run import Run


def lowered(arrays: Mapping[str, NDArray[uint8]], name: str) -> list[str]:
    """The lines of a text such as "train_en", lower-cased, with spaces between tokens."""
    return moses(sentences(arrays, name), name.rpartition("_")[2])


def fit(run: Run) -> list[dict[str, Any]]:
    """`train.fit` on lower-cased tokens."""
    tokenizer, pairs, validation = prepare(run, lowered)
    model = build(run.config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(run.seed))
    return optimise(run, model, pairs, validation)


def score(run: Run) -> list[dict[str, Any]]:
    """BLEU4 of the averaged weights under beam search on every split, its penalty for brevity, and the length.

    Output: SPLIT.csv, the translations.
    """
    config, made, arrays = run.config, run.inputs[0], run.data("captions")
    torch.set_num_threads(1)
    tokenizer = read_subwords(made.open("subwords.json"))
    begin = steps_from(config, made.open("averaged.safetensors"))
    search = Search(config.beam, config.length_penalty, config.longer)
    rows: list[dict[str, Any]] = []
    for number, split in enumerate(SPLITS, start=1):
        source, wanted = lowered(arrays, f"{split}_en"), lowered(arrays, f"{split}_de")
        found = translate(begin, tokenizer, source, search, rows=config.decode_rows, longest=config.longest)
        run.write_csv(f"{split}.csv", [{"translation": line} for line in found])
        rows.append({"split": split, "text": "lower-cased tokens"} | token_rates(found, wanted))
        run.progress(number, len(SPLITS), bleu4=rows[-1]["bleu4"])
    return rows
