"""The small experiment for the tools that depend on files: Snakemake, DVC and pytask.

Written as each tool's own introduction would have it. *plain*: a step declares the files that it reads and writes, its
parameters and its own script. *careful*: it also lists every module that its script imports, to the last.
"""

from __future__ import annotations

from collections.abc import Mapping

from posts.drift.layout import LINE, SETTINGS_PYTHON, SETTINGS_YAML, home, listed, quoted
from posts.drift.sample import fill

# --- Snakemake --------------------------------------------------------------------------------------------------------

SNAKEMAKE = {
    "train": """
seed = int(snakemake.wildcards.seed)
line = [float(number) for number in open(snakemake.input.line)]
with open(snakemake.output[0], "w") as made:
    made.write(repr(float(weigh(snakemake.params.scale, line, seed) + note(f"train {seed}"))))
""",
    "score": """
note(f"score {snakemake.wildcards.seed}")
with open(snakemake.output[0], "w") as made:
    made.write(repr(float(rate(float(open(snakemake.input[0]).read())))))
""",
    "total": """
note("total")
with open(snakemake.output[0], "w") as made:
    made.write(repr(float(combine([float(open(name).read()) for name in snakemake.input.scores]))))
""",
}
SNAKEFILE = """configfile: "params.yaml"


rule all:
    input:
        "total.txt",


rule train:
    input:
        line="data/line.txt",
$modules    output:
        "weights/{seed}.txt",
    params:
        scale=config["scale"],
    script:
        "mini/train.py"


rule score:
    input:
        "weights/{seed}.txt",
    output:
        "scores/{seed}.txt",
    script:
        "mini/score.py"


rule total:
    input:
        scores=expand("scores/{seed}.txt", seed=config["seeds"]),
    output:
        "total.txt",
    script:
        "mini/total.py"
"""


def snakemake_files(chosen: Mapping[str, str], careful: bool) -> dict[str, str]:
    files = home(chosen, "mini", SNAKEMAKE, {}) | {"params.yaml": SETTINGS_YAML, "data/line.txt": LINE}
    modules = f"        modules=[{quoted(listed(chosen, careful))}],\n" if careful else ""
    return files | {"Snakefile": fill(SNAKEFILE, {"modules": modules})}


# --- DVC --------------------------------------------------------------------------------------------------------------

DVC = {
    "train": """

if __name__ == "__main__":
    import sys
    import yaml
    seed = int(sys.argv[1])
    scale = yaml.safe_load(open("params.yaml"))["scale"]
    line = [float(number) for number in open("data/line.txt")]
    with open(f"weights/{seed}.txt", "w") as made:
        made.write(repr(float(weigh(scale, line, seed) + note(f"train {seed}"))))
""",
    "score": """

if __name__ == "__main__":
    import sys
    seed = int(sys.argv[1])
    note(f"score {seed}")
    with open(f"scores/{seed}.txt", "w") as made:
        made.write(repr(float(rate(float(open(f"weights/{seed}.txt").read())))))
""",
    "total": """

if __name__ == "__main__":
    import yaml
    note("total")
    seeds = yaml.safe_load(open("params.yaml"))["seeds"]
    with open("total.txt", "w") as made:
        made.write(repr(float(combine([float(open(f"scores/{seed}.txt").read()) for seed in seeds]))))
""",
}
PIPELINE = """stages:
  train:
    foreach: $${seeds}
    do:
      cmd: python mini/train.py $${item}
      deps: [$modules]
      params: [scale]
      outs: ["weights/$${item}.txt"]
  score:
    foreach: $${seeds}
    do:
      cmd: python mini/score.py $${item}
      deps: ["mini/score.py", "weights/$${item}.txt"]
      outs: ["scores/$${item}.txt"]
  total:
    cmd: python mini/total.py
    deps: ["mini/total.py", "scores"]
    params: [seeds]
    outs: ["total.txt"]
"""


def dvc_files(chosen: Mapping[str, str], careful: bool) -> dict[str, str]:
    modules = quoted(["mini/train.py", "data/line.txt", *listed(chosen, careful)])
    files = home(chosen, "mini", DVC, {}) | {"params.yaml": SETTINGS_YAML, "data/line.txt": LINE}
    return files | {"dvc.yaml": fill(PIPELINE, {"modules": modules})}


# --- pytask -----------------------------------------------------------------------------------------------------------

PYTASK_MOVED = {f"{step}.py": f"task_{step}.py" for step in ("train", "score", "total")}
PYTASK_HEAD = """
from pathlib import Path
from typing import Annotated

from pytask import Product, PythonNode, task

import settings

ROOT = Path(__file__).parent.parent
"""
PYTASK = {
    "train": PYTASK_HEAD
    + """
for _seed in settings.SEEDS:

    @task(id=str(_seed))
    def task_train(
        scale: Annotated[float, PythonNode(value=settings.SCALE, hash=True)],
        seed: int = _seed,
        line: Path = ROOT / "data/line.txt",
$modules        made: Annotated[Path, Product] = ROOT / f"weights/{_seed}.txt",
    ):
        numbers = [float(number) for number in line.read_text().split()]
        made.write_text(repr(float(weigh(scale, numbers, seed) + note(f"train {seed}"))))
""",
    "score": PYTASK_HEAD
    + """
for _seed in settings.SEEDS:

    @task(id=str(_seed))
    def task_score(
        seed: int = _seed,
        weight: Path = ROOT / f"weights/{_seed}.txt",
        made: Annotated[Path, Product] = ROOT / f"scores/{_seed}.txt",
    ):
        note(f"score {seed}")
        made.write_text(repr(float(rate(float(weight.read_text())))))
""",
    "total": PYTASK_HEAD
    + """
def task_total(
    seeds: Annotated[tuple, PythonNode(value=settings.SEEDS, hash=True)],
    scores: tuple[Path, ...] = tuple(ROOT / f"scores/{seed}.txt" for seed in settings.SEEDS),
    made: Annotated[Path, Product] = ROOT / "total.txt",
):
    note("total")
    made.write_text(repr(float(combine([float(path.read_text()) for path in scores]))))
""",
}


def pytask_files(chosen: Mapping[str, str], careful: bool) -> dict[str, str]:
    """In the plain setting the task has no such argument: an empty one makes pytask run it when the grid changes."""
    names = quoted(listed(chosen, careful))
    modules = f"        modules: tuple[Path, ...] = tuple(ROOT / name for name in [{names}]),\n" if careful else ""
    endings = {step: ending.replace("$modules", modules) for step, ending in PYTASK.items()}
    files = home(chosen, "mini", endings, PYTASK_MOVED) | {"settings.py": SETTINGS_PYTHON, "data/line.txt": LINE}
    return files | {"pyproject.toml": "[tool.pytask.ini_options]\n"}
