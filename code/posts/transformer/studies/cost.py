"""What a training costs, counted: multiplications and additions of the matrix products, forward and backward.

A product of (m, k) and (k, n) takes 2·m·k·n operations, and its two gradients twice as many. Element-wise work is left
out, as is usual; padding is counted, since it is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posts.transformer.data import Pairs, encode, epoch, sentences, train_subwords

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.transformer.experiment import Config

BACKWARD = 3  # passes in all: forward, and backward the gradients of both factors of each product


def transformer_operations(config: Config, vocabulary: int, pairs: int, source: int, target: int, real: int) -> int:
    """Of one forward pass over `pairs` sentences of padded lengths `source` and `target`, with `real` target tokens."""
    d, x, ff = config.d_model, config.heads * config.d_k, config.d_ff
    per_source = 2 * (4 * d * x + 2 * d * ff)  # queries, keys, values, output; then the feed-forward network
    per_target = 2 * (6 * d * x + 2 * d * ff)  # and queries and output of the attention to the source
    layer = source * per_source + target * per_target + source * 2 * 2 * d * x  # keys and values of the source
    layer += 2 * 2 * x * (source * source + target * target + target * source)  # scores, then weighted values
    return pairs * config.layers * layer + 2 * real * d * vocabulary


def recurrent_operations(config: Config, vocabulary: int, pairs: int, source: int, target: int, real: int) -> int:
    """The same of the recurrent baseline. Its encoder skips padding; that much is counted too high."""
    d, h = config.d_model, config.units
    encoder = source * 2 * 2 * 3 * h * (d + h) + source * 2 * 2 * h * h  # both directions; keys of the attention
    attention = 2 * (h * h + source * h + source * 2 * h)  # query, energies, context
    step = attention + 2 * 3 * h * (d + 2 * h + h) + 2 * (d + 3 * h) * d  # and the GRU, and the read-out
    return pairs * (encoder + target * step + 2 * h * h) + 2 * real * d * vocabulary


COUNTED = {"transformer": transformer_operations, "recurrent": recurrent_operations}


def count(run: Run) -> list[dict[str, Any]]:
    """For each model, the operations of an average update, over the batches of one epoch, and of all updates.

    In units of 10⁹ and of 10¹². Then the share of padding in percent, and the updates of an epoch.
    """
    config, arrays = run.config, run.data("captions")
    texts = [sentences(arrays, f"train_{language}") for language in ("en", "de")]
    tokenizer = train_subwords(texts[0] + texts[1], config.vocabulary)
    pairs = Pairs(*(encode(tokenizer, text, config.longest) for text in texts))
    batches = [pairs.batch(indices) for indices in epoch(pairs, config.batch_tokens, 0, 0)]
    rows = []
    for model, operations in COUNTED.items():
        total = 0
        for batch in batches:
            (rows_B, source), target = batch.source.shape, batch.target.shape[1]
            total += operations(config, tokenizer.get_vocab_size(), rows_B, source, target, batch.predictions)
        update = BACKWARD * total / len(batches)
        rows.append({"model": model, "update_cost": update / 1e9, "training_cost": config.updates * update / 1e12})
    padded = sum(batch.source.numel() + batch.target.numel() for batch in batches)
    real = sum(map(len, pairs.source)) + sum(map(len, pairs.target))
    rows.append({"padding": 100 * (1 - real / padded), "updates_of_epoch": float(len(batches))})
    return rows
