"""Training of the small model from scratch, on the same questions: the baseline, and what runs in the page."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from posts.asksql import wikisql
from posts.asksql.data import Corpus, Question, some
from posts.asksql.model import Shape
from posts.asksql.sketch import parse
from posts.asksql.small import (
    BEGIN,
    KEYWORDS,
    PAD,
    UNKNOWN,
    CopyDecoder,
    Source,
    actions,
    allowed,
    source,
    spoken,
    train_pieces,
)
from posts.asksql.train import CURVE, VALIDATION_SEED, Learner, Progress, learning_rate, report

if TYPE_CHECKING:
    from lockstep.run import Run
    from tokenizers import Tokenizer

SPREAD = 0.05  # standard deviation of the first embeddings: far below 1, since their states are compared by products


@dataclass(frozen=True)
class Item:
    """A question with the actions that write its query, and which actions were possible before each."""

    source: Source
    actions: list[int]

    @property
    def length(self) -> int:
        return len(self.source.pieces)


@dataclass(frozen=True)
class Batch:
    """Pieces (B, S), actions before (B, N), actions (B, N) with -1 where there is none, allowed (B, N, W + S)."""

    pieces: Tensor
    before: Tensor
    target: Tensor
    allowed: Tensor
    questions: int

    @property
    def tokens(self) -> range:
        """As long as all that the batch holds, padding left out."""
        return range(int((self.pieces != PAD).sum()) + int((self.target >= 0).sum()))


def items(tokenizer: Tokenizer, corpus: Corpus, questions: Sequence[Question]) -> list[Item]:
    """The questions whose query can be written as actions."""
    found = []
    for question in questions:
        columns = corpus.schemas[question.schema][0].columns
        at = source(tokenizer, question.text, columns)
        query = parse(question.sql)
        if query is not None and (taken := actions(at, query)) is not None:
            found.append(Item(at, taken))
    return found


def batch_of(chosen: Sequence[Item], unknown: float = 0.0, rng: random.Random | None = None) -> Batch:
    """Items side by side; each piece of a question becomes UNKNOWN with probability `unknown`."""
    width, steps = max(item.length for item in chosen), max(len(item.actions) for item in chosen)
    pieces, before, target, free = [], [], [], []
    for item in chosen:
        own = list(item.source.pieces)
        if unknown and rng is not None:
            for i in range(len(item.source.spans)):
                if rng.random() < unknown:
                    own[i] = UNKNOWN
        short = steps - len(item.actions)
        pieces.append(own + [PAD] * (width - len(own)))
        before.append([BEGIN, *item.actions[:-1], *[BEGIN] * short])
        target.append([*item.actions, *[-1] * short])
        possible = [allowed(item.source, item.actions[:n], width) for n in range(len(item.actions))]
        free.append(possible + [[True] * (KEYWORDS + width)] * short)
    return Batch(*(torch.tensor(each) for each in (pieces, before, target, free)), questions=len(chosen))


def batch_loss(model: CopyDecoder, batch: Batch) -> tuple[Tensor, int]:
    """The summed cross-entropy in nats of the actions among those allowed, and their number."""
    states = model.encode(batch.pieces)
    scores = model.decode(batch.pieces, states, batch.before).masked_fill(~batch.allowed, -1e9)
    chosen = batch.target >= 0
    loss = nn.functional.cross_entropy(scores[chosen], batch.target[chosen], reduction="sum")
    return loss, int(chosen.sum())


def batches(found: Sequence[Item], size: int, times: int, seed: int) -> list[list[int]]:
    """The batches of every pass, as indices: items of like length together, in random order."""
    rng = random.Random(seed)
    order = []
    for _ in range(times):
        mixed = sorted(range(len(found)), key=lambda i: (found[i].length + rng.randint(0, 6), rng.random()))
        cut = [mixed[i : i + size] for i in range(0, len(mixed), size)]
        rng.shuffle(cut)
        order += cut
    return order


def build(config: Any, pieces: int, rng: torch.Generator) -> CopyDecoder:
    """The model that the settings describe, its weights drawn from `rng`."""
    shape = Shape(
        layers=config.small_layers,
        d_model=config.small_width,
        heads=config.small_heads,
        kv_heads=config.small_heads,
        d_ff=config.small_inner,
        vocabulary=pieces,
        rope_base=1e4,
        eps=1e-5,
    )
    model = CopyDecoder(pieces, shape, config.small_decoder_layers)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.dim() == 2:
                spread = SPREAD if "embedding" in name else p.shape[1] ** -0.5
                p.normal_(0, spread, generator=rng)
    return model


def fit(run: Run) -> list[dict[str, Any]] | None:
    """Train the small model on all training questions.

    Returns what `posts.asksql.train.fit` returns. Artefacts: pieces.json, the vocabulary, and small.safetensors, in
    float16. Output: curve.csv.
    """
    config = run.config
    torch.set_num_threads(1)
    corpus = wikisql.read(run.data("wikisql"))
    asked = corpus.splits["train"][: config.small_questions]
    names = sorted({spoken(name) for each in asked for name in corpus.schemas[each.schema][0].columns})
    tokenizer = train_pieces([each.text for each in asked] + names, config.small_pieces)
    found = items(tokenizer, corpus, asked)
    followed = some(corpus.splits["validation"], config.followed_questions, VALIDATION_SEED)
    held_out = [batch_of([item]) for item in items(tokenizer, corpus, followed)]
    order = batches(found, config.small_batch, config.small_passes, run.seed)
    model = build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(run.seed))
    learner = Learner(model, (config.beta1, config.beta2), config.clip)
    saved = run.resume()
    progress = learner.restore(saved) if saved is not None else Progress()

    end = run.until(len(order))
    while progress.update < end:
        rng = random.Random(f"{run.seed} {progress.update}")  # of its own for each update: a resumed one draws the same
        batch = batch_of([found[i] for i in order[progress.update]], config.small_unknown, rng)
        rate = learning_rate(config.small_rate, config.warmup, config.floor, progress.update, len(order))
        loss, count = batch_loss(model, batch)
        learner.step(loss / count, rate)
        progress.saw(float(loss.detach()) / count, batch.questions, len(batch.tokens))
        if progress.update % config.small_report_every == 0 or progress.update == len(order):
            report(run, lambda each: batch_loss(model, each), held_out, progress, rate, len(order))
        if progress.update % config.small_save_every == 0 or progress.update == end:
            with run.checkpoint() as path:
                learner.save(path, progress)
    if not run.last:
        return None
    run.artefact("pieces.json").write_text(tokenizer.to_str(), encoding="utf-8")
    save_file(learner.half(), run.artefact("small.safetensors"))
    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in progress.curve])
    size = sum(p.numel() for p in learner.learning)
    return [dict(zip(CURVE[1:], progress.curve[-1][1:], strict=True)) | {"parameters": float(size)}]
