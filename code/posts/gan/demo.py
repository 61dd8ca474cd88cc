"""What the demo in the page loads: the generator that the post's numbers came from, and directions to walk along."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from lockstep.run import Run

WALKS = {"ink": "ink_freed", "slant": "slant_freed"}  # as the page calls them, and as latent.py does


def publish(run: Run) -> dict[str, Any]:
    """Publish the last generator of the first seed, byte for byte, and two of the directions that were fitted to it."""
    made = {(other.stage, other.keys["seed"]): other for other in run.inputs}
    trained = made["train", 0].open(f"generator-{run.config.epochs}.safetensors")
    shutil.copyfile(trained, run.demo("generator.safetensors"))
    directions = load_file(made["latent", 0].open("directions.safetensors"))
    save_file({name: directions[kept] for name, kept in WALKS.items()}, run.demo("directions.safetensors"))
    return {}
