"""Projects of many posts, the same number of steps for every tool: three seeds of `train` and one `total` a post.

Each post has code of its own, as the posts of this blog have. In each tool it is declared in the way that checked
fastest of those that were tried, with every file listed; the steps do next to nothing, since a check does not run them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posts.drift.tools import Command, commands

STEPS_PER_POST = 4
BATCH = 100  # posts that Snakemake is given at once while a project is built: its time grows with the square

HELPERS = "def square(x):\n    return x * x\n"
TRAIN = """import sys
from pathlib import Path

from helpers import square

Path(sys.argv[2]).write_text(repr(2.0 + square(int(sys.argv[1]))))
"""
TOTAL = """import sys
from pathlib import Path

Path(sys.argv[1]).write_text(repr(sum(float(Path(name).read_text()) for name in sys.argv[2:])))
"""

# --- lockstep: and a page of prose with ten bindings, which its check verifies as well --------------------------------

EXPERIMENT = '''from dataclasses import dataclass

from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    scale: float = 2.0


post = Experiment(Config, metrics=[Metric("score", unit="points"), Metric("total")])
train = post.stage("train:fit", seed=range(3))
total = post.stage("train:total", name="total", over=[train])


@post.claim("greater")
def positive(measured):
    """Positive."""
    return measured("score"), 0
'''
STAGES = """from $package import helpers


def fit(run):
    return {"score": run.config.scale + helpers.square(run.seed) + 50.0 + $number}


def total(run):
    return {"total": sum(row["score"] for made in run.inputs for row in made.rows)}
"""
PAPER = '[[deviation]]\nfield = "scale"\nvalue = "nothing"\nwhere = "no source"\nreason = "An example."\n'
WORDS = "The quick brown fox jumps over the lazy dog while nobody measures how long that takes or how it fails. " * 6
BOUND = (
    "We score [](measured:score), or [](measured:total) in all, with [](config:scale): [positive](claim:positive).\n\n"
)


def lockstep_files(posts: int) -> dict[str, str]:
    files = {}
    for number in range(posts):
        code, content = f"code/posts/post{number}", f"content/post{number}"
        files[f"{code}/experiment.py"] = EXPERIMENT
        stages = STAGES.replace("$package", ".".join(("posts", f"post{number}")))
        files[f"{code}/train.py"] = stages.replace("$number", str(number))
        files[f"{code}/helpers.py"] = HELPERS
        files[f"{content}/paper.toml"] = PAPER
        head = (
            f"Title: Post {number}\nDate: 2026-01-02\nSummary: It scores [](measured:score), at [](config:scale).\n\n"
        )
        files[f"{content}/index.md"] = head + "".join(f"## Part {part}\n\n{WORDS}\n\n{BOUND}" for part in range(2))
    return files


# --- the others -------------------------------------------------------------------------------------------------------

SNAKEFILE = """POSTS = [f"post{number}" for number in range($posts)]


rule all:
    input:
        expand("{post}/total.txt", post=POSTS),


rule train:
    input:
        code="{post}/train.py",
        helpers="{post}/helpers.py",
    output:
        "{post}/score{seed}.txt",
    params:
        scale=2.0,
    shell:
        "echo {params.scale} > {output}"


rule total:
    input:
        code="{post}/total.py",
        scores=expand("{{post}}/score{seed}.txt", seed=range(3)),
    output:
        "{post}/total.txt",
    shell:
        "cat {input.scores} > {output}"
"""
PIPELINE = """stages:
  train:
    foreach: [0, 1, 2]
    do:
      cmd: python train.py ${item} score${item}.txt
      deps: [train.py, helpers.py]
      params: [scale]
      outs: ["score${item}.txt"]
  total:
    cmd: python total.py total.txt score0.txt score1.txt score2.txt
    deps: [total.py, score0.txt, score1.txt, score2.txt]
    outs: [total.txt]
"""
TASKS = """from pathlib import Path
from typing import Annotated

from pytask import Product, PythonNode, task

ROOT = Path(__file__).parent

for _post in [ROOT / f"post{number}" for number in range($posts)]:
    for _seed in range(3):

        @task(id=f"{_post.name}-{_seed}")
        def task_train(
            scale: Annotated[float, PythonNode(value=2.0, hash=True)],
            seed: int = _seed,
            code: Path = _post / "train.py",
            helpers: Path = _post / "helpers.py",
            made: Annotated[Path, Product] = _post / f"score{_seed}.txt",
        ):
            made.write_text(repr(scale + seed * seed))

    @task(id=_post.name)
    def task_total(
        code: Path = _post / "total.py",
        scores: tuple[Path, ...] = tuple(_post / f"score{seed}.txt" for seed in range(3)),
        made: Annotated[Path, Product] = _post / "total.txt",
    ):
        made.write_text(repr(sum(float(path.read_text()) for path in scores)))
"""


def scripts(posts: int) -> dict[str, str]:
    files = {}
    for number in range(posts):
        files |= {f"post{number}/train.py": TRAIN, f"post{number}/helpers.py": HELPERS, f"post{number}/total.py": TOTAL}
    return files


def snakemake_files(posts: int) -> dict[str, str]:
    return scripts(posts) | {"Snakefile": SNAKEFILE.replace("$posts", str(posts))}


def dvc_files(posts: int) -> dict[str, str]:
    """A pipeline file for each post: one for all is checked much more slowly at a thousand posts.

    Results are put there beforehand and recorded by `dvc commit`: running each step would take very long.
    """
    files = scripts(posts)
    for number in range(posts):
        files |= {f"post{number}/dvc.yaml": PIPELINE, f"post{number}/params.yaml": "scale: 2.0\n"}
        files |= {f"post{number}/score{seed}.txt": repr(2.0 + seed * seed) for seed in range(3)}
        files |= {f"post{number}/total.txt": "11.0"}
    return files


def pytask_files(posts: int) -> dict[str, str]:
    """One file for all, which is checked somewhat faster than one a post."""
    tasks = TASKS.replace("$posts", str(posts))
    return scripts(posts) | {"pyproject.toml": "[tool.pytask.ini_options]\n", "task_posts.py": tasks}


@dataclass(frozen=True)
class Check:
    """A tool's cheapest command that says whether anything would run, and what that says where nothing would.

    `forget` names what it has to be without for the first check of a fresh clone.
    """

    tool: str
    files: Callable[[int], dict[str, str]]
    build: Callable[[int], Sequence[Command]]
    check: Command
    says: str
    forget: str = ""


def batches(posts: int) -> Sequence[Command]:
    """Snakemake builds a large project in parts, as its manual advises."""
    count = max(1, posts // BATCH)
    quiet = ("--cores", "1", "--quiet")
    lines = [(*quiet, "all", "--batch", f"all={part}/{count}") for part in range(1, count + 1)]
    return commands("snakemake", *(lines if count > 1 else [quiet]))


DVC_BUILD = commands(
    "dvc",
    ("init", "--no-scm", "--quiet"),
    ("config", "core.analytics", "false"),
    ("config", "core.check_update", "false"),
    ("commit", "--force", "--quiet"),
)
LOCKSTEP_BUILD = commands("lockstep", ("build", "--no-render"))
LOCKSTEP_CHECK, SAYS = Command("lockstep", ("check",)), "nothing to mend"
CHECKS = {
    "lockstep": Check("lockstep", lockstep_files, lambda posts: LOCKSTEP_BUILD, LOCKSTEP_CHECK, SAYS),
    "lockstep-first": Check(
        "lockstep", lockstep_files, lambda posts: LOCKSTEP_BUILD, LOCKSTEP_CHECK, SAYS, forget=".lockstep/cache"
    ),
    "snakemake": Check(
        "snakemake",
        snakemake_files,
        batches,
        Command("snakemake", ("--dry-run", "--cores", "1", "--quiet")),
        "Nothing to be done",
    ),
    "dvc": Check("dvc", dvc_files, lambda posts: DVC_BUILD, Command("dvc", ("status",)), "up to date"),
    "pytask": Check(
        "pytask",
        pytask_files,
        lambda posts: commands("pytask", ()),
        Command("pytask", ("--dry-run",)),
        "Skipped because unchanged  (100.0%)",
    ),
}
