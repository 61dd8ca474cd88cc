"""Fine-tuning the base model on questions and SQL, by LoRA or of all weights, in float32 on one thread.

One update is one pack; the loss is on the answers alone. `fit` is a stage of legs: every leg goes on from the
checkpoint that the one before left, and the last writes what was learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.asksql import weights, wikisql
from posts.asksql.data import Corpus, passes
from posts.asksql.lora import adapt
from posts.asksql.model import Llama, load
from posts.asksql.packing import Pack, encode, packs

if TYPE_CHECKING:
    from lockstep.run import Run
    from tokenizers import Tokenizer

CURVE = ["update", "questions", "tokens", "rate", "train_loss", "validation_loss"]
VALIDATION_SEED = 12  # of the validation questions whose loss is followed: the same for every training


def pack_loss(model: Llama, pack: Pack) -> tuple[Tensor, int]:
    """The summed cross-entropy in nats of the answers' tokens, and their number. Only these reach the head."""
    tokens, positions, mask, predicting_A, target_A = pack.tensors()
    states_AE = model(tokens, positions, mask)[0, predicting_A]
    return F.cross_entropy(model.logits(states_AE), target_A, reduction="sum"), len(target_A)


@torch.no_grad()
def mean_loss(loss_of: Callable[[Any], tuple[Tensor, int]], held_out: Sequence[Any]) -> float:
    """The mean in nats of what `loss_of` sums, over all packs or batches."""
    found = [loss_of(each) for each in held_out]
    return float(sum(float(loss) for loss, _ in found) / sum(count for _, count in found))


def learning_rate(peak: float, warmup: float, floor: float, update: int, updates: int) -> float:
    """Linear up over the share `warmup` of all updates, then half a cosine down to the share `floor` of the peak."""
    up = max(1, round(warmup * updates))
    if update < up:
        return peak * (update + 1) / up
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (update - up) / max(1, updates - up))))


@dataclass
class Progress:
    """How far a training is, and what it has seen."""

    update: int = 0
    questions: int = 0
    tokens: int = 0
    losses: list[float] = field(default_factory=list)  # of each update since the last report
    curve: list[list[float]] = field(default_factory=list)

    def saw(self, loss: float, questions: int, tokens: int) -> None:
        """One more update."""
        self.update += 1
        self.losses.append(loss)
        self.questions += questions
        self.tokens += tokens


class Learner:
    """The weights that learn, their optimiser, and a checkpoint of everything that the next update depends on."""

    def __init__(self, model: nn.Module, betas: tuple[float, float], clip: float):
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names, self.learning = [name for name, _ in named], [p for _, p in named]
        self.adam = torch.optim.AdamW(self.learning, betas=betas, weight_decay=0.0)
        self.clip = clip

    def step(self, loss: Tensor, rate: float) -> None:
        """One update from the gradient of `loss`, its norm cut to `clip`."""
        loss.backward()
        nn.utils.clip_grad_norm_(self.learning, self.clip)
        self.adam.param_groups[0]["lr"] = rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def save(self, path: Path, progress: Progress) -> None:
        tensors = {f"weight.{name}": p.detach() for name, p in zip(self.names, self.learning, strict=True)}
        for name, p in zip(self.names, self.learning, strict=True):
            tensors |= {f"{key}.{name}": value for key, value in self.adam.state[p].items()}
        tensors["seen"] = torch.tensor([progress.update, progress.questions, progress.tokens])
        tensors["losses"] = torch.tensor(progress.losses, dtype=torch.float64)
        tensors["curve"] = torch.tensor(progress.curve, dtype=torch.float64)
        save_file(tensors, path)

    @torch.no_grad()
    def restore(self, path: Path) -> Progress:
        """Undo `save`."""
        tensors = load_file(path)
        for name, p in zip(self.names, self.learning, strict=True):
            p.copy_(tensors.pop(f"weight.{name}"))
            state = {key: tensors.pop(f"{key}.{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            self.adam.state[p] = state
        update, questions, tokens = tensors["seen"].tolist()
        return Progress(update, questions, tokens, tensors["losses"].tolist(), tensors["curve"].tolist())

    def half(self) -> dict[str, Tensor]:
        """What was learned, in float16: every later stage reads this."""
        return {name: p.detach().half() for name, p in zip(self.names, self.learning, strict=True)}


def training_packs(config: Any, tokenizer: Tokenizer, corpus: Corpus, seed: int) -> list[Pack]:
    """Everything that a training sees, in order."""
    groups = passes(corpus.splits["train"], config.questions, config.passes, config.questions_of_schema, seed)
    return packs((encode(tokenizer, corpus, group) for group in groups), config.pack_tokens)


def validation_packs(config: Any, tokenizer: Tokenizer, corpus: Corpus) -> list[Pack]:
    """The held-out questions whose loss is followed."""
    most = config.questions_of_schema
    groups = passes(corpus.splits["validation"], config.followed_questions, 1, most, VALIDATION_SEED)
    return packs((encode(tokenizer, corpus, group) for group in groups), config.pack_tokens)


def fit(run: Run) -> list[dict[str, Any]] | None:
    """Fine-tune the base on WikiSQL's questions; returns what `learn` returns."""
    return learn(run, wikisql.read(run.data("wikisql")))


def learn(run: Run, corpus: Corpus) -> list[dict[str, Any]] | None:
    """Fine-tune the base: by LoRA of `rank`, or of all weights where the rank is 0.

    Returns the losses at the end in nats a token of the answers, and what was seen. Artefact: learned.safetensors, A
    and B of every layer, or all weights, in float16. Output: curve.csv. A loss that is not finite fails the run.
    """
    config = run.config
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    base = weights.read(run.data("base")["gguf"])
    seen = training_packs(config, base.tokenizer, corpus, run.seed)
    held_out = validation_packs(config, base.tokenizer, corpus)
    model = load(base.shape, base.weights)
    if config.rank:
        adapt(model, config.rank, config.alpha, torch.Generator().manual_seed(run.seed))
    learner = Learner(model, (config.beta1, config.beta2), config.clip)
    saved = run.resume()
    progress = learner.restore(saved) if saved is not None else Progress()

    end = run.until(len(seen))
    while progress.update < end:
        pack = seen[progress.update]
        rate = learning_rate(config.rate, config.warmup, config.floor, progress.update, len(seen))
        loss, count = pack_loss(model, pack)
        learner.step(loss / count, rate)
        progress.saw(float(loss.detach()) / count, pack.questions, len(pack.tokens))
        if progress.update % config.report_every == 0 or progress.update == len(seen):
            report(run, lambda each: pack_loss(model, each), held_out, progress, rate, len(seen))
        if progress.update % config.save_every == 0 or progress.update == end:
            with run.checkpoint() as path:
                learner.save(path, progress)
    if not run.last:
        return None
    save_file(learner.half(), run.artefact("learned.safetensors"))
    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in progress.curve])
    size = sum(p.numel() for p in learner.learning)
    return [dict(zip(CURVE[1:], progress.curve[-1][1:], strict=True)) | {"parameters": float(size)}]


def report(
    run: Run,
    loss_of: Callable[[Any], tuple[Tensor, int]],
    held_out: Sequence[Any],
    progress: Progress,
    rate: float,
    updates: int,
) -> None:
    """Add a point to the curve. Fails the run where a loss is not finite."""
    means = [sum(progress.losses) / len(progress.losses), mean_loss(loss_of, held_out)]
    if not all(math.isfinite(mean) for mean in means):
        run.fail(f"update {progress.update} ends with losses {means} in training and validation")
    progress.losses.clear()
    progress.curve.append([progress.update, progress.questions, progress.tokens, rate, *means])
    run.progress(progress.update, updates, train_loss=means[0], validation_loss=means[1])
