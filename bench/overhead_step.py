"""CPU seconds of a step of a post's training at its published sizes: `overhead_step.py gan|transformer marked|plain`.

Marked, the post's modules are compiled as in a run, each function noting that it executed; plain, as Python does it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from lockstep.depend.seen import Compiler, Finder, Text

CODE = Path(__file__).resolve().parent.parent / "code"
STEPS = {"gan": 40, "transformer": 6}


def provide(name: str) -> Text | None:
    """A module of the posts, as a run gets it."""
    base = CODE.joinpath(*name.split("."))
    for path, is_package in ((base / "__init__.py", True), (base.with_suffix(".py"), False)):
        if name.startswith("posts") and path.is_file():
            return Text(name, str(path), path.read_text(encoding="utf-8"), is_package)
    return None


def gan() -> Callable[[], None]:
    from posts.gan.experiment import Config
    from posts.gan.model import Discriminator, Generator
    from posts.gan.train import MomentumDescent, player_gradients

    config, rng = Config(), torch.Generator().manual_seed(0)
    images = torch.rand(config.batch, 784, generator=rng)
    generator = Generator(config.noise, config.hidden, images.mean(dim=0), rng, config.generator_spread)
    discriminator = Discriminator(784, config.units, config.pieces, rng, config.discriminator_spread)
    descent = MomentumDescent([generator, discriminator], "fp32")

    def step() -> None:
        for_g, for_d, *_ = player_gradients(generator, discriminator, images, rng)
        descent.step(for_g + for_d, 0.01, config.momentum)

    return step


def transformer() -> Callable[[], None]:
    from posts.transformer.data import Batch
    from posts.transformer.experiment import Config
    from posts.transformer.train import MasterAdam, batch_loss, build

    config, rng = Config(), torch.Generator().manual_seed(0)
    vocabulary, shape = 8000, (config.batch_tokens // 32, 30)
    model = build(config, vocabulary, rng)
    adam = MasterAdam(model, "fp32", (config.beta1, config.beta2), config.eps)
    batch = Batch(*(torch.randint(4, vocabulary, shape, generator=rng) for _ in range(3)))

    def step() -> None:
        adam.step(batch_loss(model, batch, config.smoothing, rng), 1e-4)

    return step


def main() -> None:
    name, how = sys.argv[1:]
    torch.set_num_threads(1)
    if how == "marked":
        sys.meta_path.insert(0, Finder(Compiler(), provide))
    step = {"gan": gan, "transformer": transformer}[name]()
    step()
    begun = time.process_time()
    for _ in range(STEPS[name]):
        step()
    print((time.process_time() - begun) / STEPS[name])


if __name__ == "__main__":
    main()
