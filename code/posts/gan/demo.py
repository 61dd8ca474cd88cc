"""What the demo in the page loads: both players as they were trained, directions to walk along, and worked examples.

The examples are what PyTorch makes of fixed noise. The page opens with them and compares its own arithmetic with them;
the poster, which stands in the page until then, shows the same digits.
"""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from posts.gan.evaluate import load_generator
from posts.gan.model import Discriminator, Generator

if TYPE_CHECKING:
    from lockstep.run import Run

WALKS = {"ink": "ink_freed", "slant": "slant_freed"}  # as the page calls them, and as latent.py does
SHOWING = 7_000_003  # offset of the seed that draws the noise of the examples, away from the seeds that train
COLUMNS, ROWS, GAP = 6, 2, 4  # of the digits in the page, and the pixels between two
FRACTIONS = (0.25, 0.5, 0.75)  # where the examples stop between the first noise and the second


def publish(run: Run) -> dict[str, Any]:
    """Publish the last pair of the first seed, two of the directions that were fitted to it, examples and a poster.

    The generator is the scored one, byte for byte. Raises ValueError where the discriminator played against another:
    an opinion of another training's critic would pass unnoticed.
    """
    config = run.config
    torch.set_num_threads(1)
    made = {(other.stage, other.keys["seed"]): other for other in run.inputs}
    last = f"generator-{config.epochs}.safetensors"
    scored, played = made["train", 0].open(last), made["critic", 0].open(last)
    if scored.read_bytes() != played.read_bytes():
        raise ValueError("the stages train and critic made different generators: run both on the same machine")
    kept = made["critic", 0].open("discriminator.safetensors")
    shutil.copyfile(scored, run.demo("generator.safetensors"))
    shutil.copyfile(kept, run.demo("discriminator.safetensors"))
    directions = load_file(made["latent", 0].open("directions.safetensors"))
    save_file({name: directions[found] for name, found in WALKS.items()}, run.demo("directions.safetensors"))
    generator = load_generator(scored, config.noise, config.hidden)
    shown = examples(generator, load_discriminator(kept, config.units, config.pieces))
    save_file(shown, run.demo("examples.safetensors"))
    run.demo("draw.svg").write_text(poster(shown["images"]), encoding="utf-8")
    return {}


def load_discriminator(path: Path, units: int, pieces: int) -> Discriminator:
    """A discriminator from the artefact that training kept, in float32."""
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    discriminator = Discriminator(weights["first.linear.weight"].shape[1], units, pieces, torch.Generator())
    discriminator.load_state_dict(weights)
    return discriminator


@torch.no_grad()
def examples(generator: Generator, discriminator: Discriminator) -> dict[str, Tensor]:
    """Noise (N, Z), its images (N, X) and what the discriminator gives each of them (N,): the probability of "real".

    `between` and `between_probability` are the same for points on the line from the first noise to the second.
    """
    noise_NZ = generator.sample_noise(COLUMNS * ROWS, torch.Generator().manual_seed(SHOWING))
    fractions_F1 = torch.tensor(FRACTIONS)[:, None]
    images_NX = generator(noise_NZ)
    between_FX = generator(torch.lerp(noise_NZ[:1], noise_NZ[1:2], fractions_F1))
    shown = {"noise": noise_NZ, "images": images_NX, "probability": discriminator(images_NX).sigmoid()}
    return shown | {"between": between_FX, "between_probability": discriminator(between_FX).sigmoid()}


def poster(images_NX: Tensor) -> str:
    """An SVG of the images (N, X) in rows, dark ink on nothing, and light ink where the reader's scheme is dark."""
    side = int(images_NX.shape[1] ** 0.5)
    cells = torch.zeros(ROWS, COLUMNS, side + GAP, side + GAP)
    cells[:, :, :side, :side] = images_NX.unflatten(1, (side, side)).unflatten(0, (ROWS, COLUMNS))
    sheet = cells.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)[:-GAP, :-GAP]  # (height, width)
    height, width = sheet.shape
    rules = "image{image-rendering:pixelated}@media(prefers-color-scheme:dark){image{filter:invert(.91)}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<style>{rules}</style><image width="{width}" height="{height}" href="{inked(sheet)}"/></svg>\n'
    )


def inked(sheet: Tensor) -> str:
    """A picture (height, width) in [0, 1] as the URL of a PNG: black, as opaque as the picture is bright."""
    from matplotlib.image import imsave

    pixels = torch.zeros(*sheet.shape, 4)
    pixels[..., 3] = sheet
    packed = io.BytesIO()
    without_version: Any = {"Software": None}
    imsave(packed, (pixels * 255).round().byte().numpy(), format="png", metadata=without_version)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()
