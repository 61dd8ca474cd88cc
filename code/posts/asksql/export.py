"""What ships: the adapter at a lower rank in float16, with a calibration of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from posts.asksql.lora import truncated

if TYPE_CHECKING:
    from lockstep.run import Run


def cut(run: Run) -> list[dict[str, Any]]:
    """Cut the adapter of the seed to `shipped_rank`; returns its size in MB.

    Artefact: learned.safetensors, in float16 and with the same names, so that it answers as a trained one does.
    """
    torch.set_num_threads(1)
    trained = next(made for made in run.inputs if made.keys["seed"] == run.seed)
    smaller = truncated(load_file(trained.open("learned.safetensors")), run.config.shipped_rank)
    path = run.artefact("learned.safetensors")
    save_file({name: w.half().contiguous() for name, w in smaller.items()}, path)
    return [{"megabytes": path.stat().st_size / 1e6}]


def publish(run: Run) -> list[dict[str, Any]]:
    """For the command line: adapter.safetensors, with the scale that it is merged by, and calibration.json."""
    adapter, calibration = run.inputs
    about = {"scale": str(run.config.alpha / run.config.rank), "base": "SmolLM2-135M-Instruct, Q4_1"}
    save_file(load_file(adapter.open("learned.safetensors")), run.demo("adapter.safetensors"), about)
    fitted = json.loads(calibration.open("calibration.json").read_text(encoding="utf-8"))
    run.demo("calibration.json").write_text(json.dumps(fitted, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return []
