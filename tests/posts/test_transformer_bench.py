"""The benchmark refuses what it cannot measure with one message, before it measures anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess:
    """The script in a process of its own."""
    variables = os.environ | {"PYTHONPATH": str(ROOT / "code"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "bench/transformer.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False)


@pytest.mark.parametrize("option", ["--steps", "--sentences", "--rounds"])
def test_nothing_cannot_be_timed(option):
    done = bench(option, "0")
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: argument {option}: expected a whole number from 1 on, not 0\n")


def test_weights_that_are_not_there_or_none_are_refused(tmp_path):
    weights = tmp_path / "averaged.safetensors"
    done = bench("--weights", str(weights))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"there is no file {weights}: --weights takes a file of weights with subwords.json")
    (tmp_path / "subwords.json").write_text("{}")
    told = f"{weights} does not hold weights of the post's model: "
    for write in (
        lambda: weights.write_bytes(b"no weights at all"),
        lambda: save_file({"logits_weight": torch.zeros(5, 2, dtype=torch.float16)}, weights),
    ):
        write()
        done = bench("--weights", str(weights))
        assert done.returncode == 1 and done.stderr.startswith(told), done.stderr
        assert "Traceback" not in done.stderr
