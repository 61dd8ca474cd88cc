"""Training: label smoothing, the warm-up schedule, Adam, and the mean of the last checkpoints (sections 5.3 and 5.4).

`fit` is an ordinary function of one `lockstep.run.Run`; the settings are those of experiment.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.transformer.data import Batch, Pairs, encode, epoch, sentences, stream, train_subwords
from posts.transformer.model import PAD, Transformer

if TYPE_CHECKING:
    from lockstep.run import Run
    from tokenizers import Tokenizer

    from posts.transformer.experiment import Config

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ROWS_AT_ONCE = 128  # of the logits: at some thousand entries of vocabulary they fit a second-level cache
CURVE = ["update", "rate", "train_loss", "validation_loss"]


def smoothed_loss(logits_NV: Tensor, target_N: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy in nats against (1 - ε) on the right token and ε spread evenly over all V (section 5.4)."""
    log_p_NV = logits_NV.log_softmax(dim=-1)
    right_N = log_p_NV.gather(1, target_N[:, None])[:, 0].float()
    if not smoothing:
        return -right_N.mean()
    return -((1 - smoothing) * right_N + smoothing * log_p_NV.mean(dim=-1, dtype=torch.float32)).mean()


def learning_rate(peak: float, warmup: int, update: int) -> float:
    """Equation 3, with `peak` in place of (d_model·warmup)^-½: linear up to update `warmup`, then as update^-½."""
    return peak * min(update / warmup, (warmup / update) ** 0.5)


class ChunkedLoss(torch.autograd.Function):
    """`smoothed_loss` of states (N, D) and the matrix (V, D) that makes logits of them, some rows of logits at a time.

    Logits, probabilities and gradient of a chunk stay in the cache. Only the gradient with respect to the logits,
    softmax(z) less the target, is ever stored whole, since both gradients that are asked for are products with it.
    """

    @staticmethod
    def forward(ctx: Any, states_ND: Tensor, weight_VD: Tensor, target_N: Tensor, smoothing: float) -> Tensor:
        n, v = len(states_ND), len(weight_VD)
        wide = torch.promote_types(states_ND.dtype, torch.float32)  # what sums and exponentials are computed in
        gradient_NV = states_ND.new_empty(n, v)
        total = torch.zeros((), dtype=wide, device=states_ND.device)
        z_RV = torch.empty(ROWS_AT_ONCE, v, dtype=wide, device=states_ND.device)
        for i in range(0, n, ROWS_AT_ONCE):
            rows = slice(i, i + ROWS_AT_ONCE)
            z, target = z_RV[: n - i], target_N[rows, None]
            z.copy_(states_ND[rows] @ weight_VD.T)
            z -= z.amax(dim=1, keepdim=True)
            total -= (1 - smoothing) * z.gather(1, target).sum() + smoothing * z.mean(dim=1).sum()
            sums = z.exp_().sum(dim=1, keepdim=True)
            total += sums.log().sum()
            z.mul_(1 / (n * sums)).sub_(smoothing / (n * v))
            gradient_NV[rows] = z.scatter_add_(1, target, z.new_full(target.shape, (smoothing - 1) / n))
        ctx.save_for_backward(gradient_NV @ weight_VD, gradient_NV.T @ states_ND)
        return total / n

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return *(saved * gradients[0] for saved in ctx.saved_tensors), None, None


def predictions(model: nn.Module, batch: Batch, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """The states (N, D) that predict the N target tokens of a batch, padding left out, and these tokens (N,)."""
    real_BT = batch.target != PAD
    return model(batch.source, batch.shifted, rng)[real_BT], batch.target[real_BT]


def batch_loss(model: nn.Module, batch: Batch, smoothing: float, rng: torch.Generator | None = None) -> Tensor:
    """The mean loss of a batch, for training."""
    states_ND, target_N = predictions(model, batch, rng)
    return ChunkedLoss.apply(states_ND, model.logits_weight, target_N, smoothing)  # pyright: ignore


@torch.no_grad()
def mean_loss(model: nn.Module, batches: list[Batch]) -> float:
    """Cross-entropy in nats a token over all batches, without smoothing and without dropout."""
    total, count = 0.0, 0
    for batch in batches:
        states_ND, target_N = predictions(model, batch)
        total += float(smoothed_loss(model.logits(states_ND), target_N, 0.0)) * len(target_N)  # pyright: ignore
        count += len(target_N)
    return total / count


class MasterAdam:
    """Adam on float32 copies of the weights, whatever the model computes in: a bfloat16 weight loses small steps."""

    def __init__(self, model: nn.Module, precision: str, betas: tuple[float, float], eps: float):
        self.names = [name for name, _ in model.named_parameters()]
        self.masters = [p.detach().clone() for p in model.parameters()]
        model.to(DTYPES[precision])
        self.working = list(model.parameters())
        self.adam = torch.optim.Adam(self.masters, betas=betas, eps=eps, fused=True)

    @torch.no_grad()
    def step(self, loss: Tensor, rate: float) -> None:
        """One update of the model from the gradient of `loss`."""
        gradients = torch.autograd.grad(loss, self.working)
        for master, gradient in zip(self.masters, gradients, strict=True):
            master.grad = gradient.float()
        self.adam.param_groups[0]["lr"] = rate
        self.adam.step()
        self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the float32 weights into the model."""
        for working, master in zip(self.working, self.masters, strict=True):
            working.copy_(master)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        tensors = {f"master.{i}": master.detach() for i, master in enumerate(self.masters)}
        for i, master in enumerate(self.masters):
            tensors |= {f"{name}.{i}": value for name, value in self.adam.state[master].items()}
        return tensors

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Undo `state`."""
        for i, master in enumerate(self.masters):
            master.copy_(tensors[f"master.{i}"])
            self.adam.state[master] = {
                name: tensors[f"{name}.{i}"].to(master.device) for name in ("step", "exp_avg", "exp_avg_sq")
            }
        self.publish()


class RunningMean:
    """The mean of the weights at several points of the training: section 6.1's averaged checkpoint."""

    def __init__(self, like: list[Tensor]):
        self.sums = [torch.zeros_like(tensor) for tensor in like]
        self.count = 0

    def add(self, weights: list[Tensor]) -> None:
        for total, weight in zip(self.sums, weights, strict=True):
            total += weight.detach()
        self.count += 1

    def mean(self) -> list[Tensor]:
        return [total / self.count for total in self.sums]


def halved(names: list[str], weights: list[Tensor]) -> dict[str, Tensor]:
    """Weights by name, in float16: the model that is kept, and the one that every later stage reads."""
    return {name: weight.detach().half().cpu() for name, weight in zip(names, weights, strict=True)}


def build(config: Config, vocabulary: int, rng: torch.Generator) -> Transformer:
    """The model that the settings describe."""
    return Transformer(
        vocabulary,
        rng,
        layers=config.layers,
        d_model=config.d_model,
        d_ff=config.d_ff,
        heads=config.heads,
        d_k=config.d_k,
        rate=config.dropout,
        positions=config.positions,
        tied=config.tied,
        longest=config.longest,
    )


def prepare(run: Run, read: Callable[..., list[str]] = sentences) -> tuple[Tokenizer, Pairs, list[Batch]]:
    """The subwords, the training pairs, and the validation pairs in batches. The subwords become an artefact.

    `read` gives the lines of a text of the data set, by its name.
    """
    config, arrays = run.config, run.data("captions")
    texts = {name: read(arrays, name) for name in ("train_en", "train_de", "val_en", "val_de")}
    tokenizer = train_subwords(texts["train_en"] + texts["train_de"], config.vocabulary)
    run.artefact("subwords.json").write_text(tokenizer.to_str(), encoding="utf-8")
    coded = {name: encode(tokenizer, text, config.longest) for name, text in texts.items()}
    train, validation = Pairs(coded["train_en"], coded["train_de"]), Pairs(coded["val_en"], coded["val_de"])
    order = validation.by_length(range(len(validation)))
    return tokenizer, train, [validation.batch(part) for part in validation.cut(config.batch_tokens, order)]


def fit(run: Run) -> list[dict[str, Any]]:
    """Train one Transformer.

    Returns its size, what it has seen and its losses at the end, in nats a token.
    Artefacts: subwords.json; averaged.safetensors and last.safetensors, the mean of the last checkpoints and the last
    one, and weights-UPDATE.safetensors at every `keep_every`-th update, all in float16. Output: curve.csv.
    """
    tokenizer, pairs, validation = prepare(run)
    rng = torch.Generator().manual_seed(run.seed)
    model = build(run.config, tokenizer.get_vocab_size(), rng)
    return optimise(run, model, pairs, validation)


def optimise(run: Run, model: nn.Module, pairs: Pairs, validation: list[Batch]) -> list[dict[str, Any]]:
    """The loop of `fit`, for any model that maps source and shifted target to states and states to logits."""
    config = run.config
    if not 1 <= config.averaged * config.average_every <= config.updates:
        run.fail(
            f"averaged is {config.averaged} and average_every {config.average_every}: the last {config.averaged} "
            f"checkpoints do not lie within {config.updates} updates"
        )
    if not 0 <= config.dropout < 1:
        run.fail(f"dropout is {config.dropout}: expected a share from 0 to below 1")
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    validation = [batch.to(device) for batch in validation]
    rng = torch.Generator(device).manual_seed(run.seed)  # of dropout
    adam = MasterAdam(model, config.precision, (config.beta1, config.beta2), config.eps)
    average = RunningMean(adam.masters)
    curve: list[list[float]] = []
    update = number = position = 0
    if (saved := run.resume()) is not None:
        update, number, position, average.count = restore(saved, adam, average, rng, curve)

    losses: list[Tensor] = []
    averaged_from = config.updates - config.averaged * config.average_every
    batches = stream(pairs, config.batch_tokens, run.seed, number, position)
    while update < config.updates:
        number, position, batch = next(batches)
        update += 1
        rate = learning_rate(config.peak_rate, config.warmup, update)
        loss = batch_loss(model, batch.to(device), config.smoothing, rng)
        adam.step(loss, rate)
        losses.append(loss.detach())
        if update > averaged_from and (config.updates - update) % config.average_every == 0:
            average.add(adam.masters)
        if update % config.keep_every == 0:
            save_file(halved(adam.names, adam.masters), run.artefact(f"weights-{update}.safetensors"))
        if update % config.report_every == 0 or update == config.updates:
            means = [float(torch.stack(losses).mean()), mean_loss(model, validation)]
            if not all(math.isfinite(mean) for mean in means):
                run.fail(f"update {update} ends with losses {means} in training and validation")
            losses = []
            curve.append([update, rate, *means])
            with run.checkpoint() as path:
                save(path, adam, average, rng, curve, (update, number, position, average.count))
            run.progress(update, config.updates, train_loss=means[0], validation_loss=means[1])

    save_file(halved(adam.names, average.mean()), run.artefact("averaged.safetensors"))
    save_file(halved(adam.names, adam.masters), run.artefact("last.safetensors"))
    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in curve])
    size = sum(parameter.numel() for parameter in model.parameters())
    epochs = number + position / len(epoch(pairs, config.batch_tokens, run.seed, number))
    last: dict[str, Any] = dict(zip(CURVE[2:], curve[-1][2:], strict=True))
    return [last | {"parameters": float(size), "epochs": epochs}]


def save(
    path: Path, adam: MasterAdam, average: RunningMean, rng: torch.Generator, curve: list[list[float]], place: tuple
) -> None:
    """Everything that the next update depends on, in one safetensors file."""
    tensors = adam.state() | {f"sum.{i}": total for i, total in enumerate(average.sums)}
    tensors |= {"curve": torch.tensor(curve, dtype=torch.float64), "place": torch.tensor(place)}
    save_file({name: tensor.cpu() for name, tensor in tensors.items()} | {"rng": rng.get_state()}, path)


def restore(
    path: Path, adam: MasterAdam, average: RunningMean, rng: torch.Generator, curve: list[list[float]]
) -> tuple[int, ...]:
    """Undo `save`; returns the place: update, epoch, position in it, and the number of averaged checkpoints."""
    tensors = load_file(path)
    adam.restore(tensors)
    for i, total in enumerate(average.sums):
        total.copy_(tensors[f"sum.{i}"])
    rng.set_state(tensors["rng"])
    curve.extend([int(update), *others] for update, *others in tensors["curve"].tolist())
    return tuple(tensors["place"].tolist())
