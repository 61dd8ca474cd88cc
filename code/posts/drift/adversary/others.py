"""Projects of many cases for the tools that depend on files: Snakemake, DVC and pytask.

*plain*: a step lists its own script, the files that it reads and its settings. *careful*: every module as well, to the
last; and a variable of the environment, where the tool has a place for it. The list is kept up with each edit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from posts.drift.adversary.case import Entry
from posts.drift.adversary.neutral import Placed, files
from posts.drift.layout import quoted

RULE = """rule {name}:
    input:
        {inputs},
    output:
        "made/{name}-{{seed}}.txt",
    params:
        scale=config["{name}"]["scale"],
        line=config["{name}"]["line"],{variables}
    shell:
        "{{PYTHON}} step.py {name} {{wildcards.seed}}"
"""
SNAKEFILE = """import os
import sys

PYTHON = sys.executable


configfile: "params.json"


rule all:
    input:
        [f"made/{{name}}-{{seed}}.txt" for name in config for seed in config[name]["seeds"]],


{rules}"""
STAGE = """  {name}-{seed}:
    cmd: python step.py {name} {seed}
    deps: [{inputs}]
    params: [params.json: [{name}.scale, {name}.line]]
    outs: ["made/{name}-{seed}.txt"]
"""
# what is listed lies in a file of its own: a task depends on the module that it is in
TASKS = """import json
import os
from pathlib import Path
from typing import Annotated, Any

from pytask import Product, PythonNode, task
from step import note, value

ROOT = Path(__file__).parent

for _name, (_told, _inputs, _variables) in json.loads((ROOT / "cases.json").read_text()).items():
    for _seed in _told["seeds"]:
        _read = [_told["scale"], _told["line"], *(os.environ.get(name, "") for name in _variables)]

        @task(id=f"{_name}-{_seed}")
        def task_step(
            told: Annotated[Any, PythonNode(value=_read, hash=True)],
            name: str = _name,
            seed: int = _seed,
            inputs: tuple[Path, ...] = tuple(ROOT / path for path in _inputs),
            made: Annotated[Path, Product] = ROOT / f"made/{_name}-{_seed}.txt",
        ):
            note(f"{name} {seed}")
            made.write_text(value(name, seed, told[0], told[1]))
"""


def listed(case: Placed, careful: bool) -> list[str]:
    """What the step of a case depends on, as its author lists it."""
    return [case.script, *case.inputs, *(case.modules if careful else [])]


def variables(case: Placed, careful: bool) -> list[str]:
    return [path.removeprefix("env:") for path in case.files if path.startswith("env:")] if careful else []


def snakemake_files(cases: Sequence[Placed], careful: bool) -> dict[str, Entry]:
    rules = []
    for case in cases:
        inputs = ",\n        ".join(f'"{path}"' for path in listed(case, careful))
        told = "".join(f'\n        {name}=os.environ.get("{name}", ""),' for name in variables(case, careful))
        rules.append(RULE.format(name=case.name, inputs=inputs, variables=told))
    return files(cases) | {"Snakefile": Entry(SNAKEFILE.format(rules="\n\n".join(rules)))}


def dvc_files(cases: Sequence[Placed], careful: bool) -> dict[str, Entry]:
    stages = [
        STAGE.format(name=case.name, seed=seed, inputs=quoted(listed(case, careful)))
        for case in cases
        for seed in case.seeds
    ]
    return files(cases) | {"dvc.yaml": Entry("stages:\n" + "".join(stages))}


def pytask_files(cases: Sequence[Placed], careful: bool) -> dict[str, Entry]:
    told = {case.name: (case.told, listed(case, careful), variables(case, careful)) for case in cases}
    return files(cases) | {
        "task_cases.py": Entry(TASKS),
        "cases.json": Entry(json.dumps(told, indent=1)),
        "pyproject.toml": Entry("[tool.pytask.ini_options]\n"),
    }


FILES = {"snakemake": snakemake_files, "dvc": dvc_files, "pytask": pytask_files}
