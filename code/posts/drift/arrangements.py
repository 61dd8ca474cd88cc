"""The arrangements that are compared: a tool, a setting, and the commands that somebody types every day.

lockstep has one setting, since nothing is listed in it. The others have two: plain and careful. The bodies of the steps
are the same text everywhere; what reads files and writes results differs.
"""

from __future__ import annotations

from functools import partial

from lockstep.errors import LockstepError

from posts.drift.layout import IN_PYTHON, IN_YAML
from posts.drift.others import PYTASK_MOVED, dvc_files, pytask_files, snakemake_files
from posts.drift.own import LOCKSTEP_DECLARED, lockstep_files
from posts.drift.tools import Arrangement, commands, ledger, texts

BUILD = {
    "snakemake": commands("snakemake", ("--cores", "1", "--quiet")),
    "dvc": commands("dvc", ("repro", "--quiet")),
    "pytask": commands("pytask", ()),
}
FORCE = {
    "snakemake": commands("snakemake", ("--cores", "1", "--quiet", "--forcerun", "train", "--until", "train")),
    "dvc": commands("dvc", ("repro", "--quiet", "--force", "--single-item", "train")),
    "pytask": commands("pytask", ("--force", "-k", "task_train")),
}
PREPARE = {
    "dvc": commands(
        "dvc",
        ("init", "--no-scm", "--quiet"),
        ("config", "core.analytics", "false"),
        ("config", "core.check_update", "false"),
    )
}
FILES = {"snakemake": snakemake_files, "dvc": dvc_files, "pytask": pytask_files}


def of_files(tool: str, careful: bool) -> Arrangement:
    """An arrangement of a tool that depends on files."""
    return Arrangement(
        tool=tool,
        setting="careful" if careful else "plain",
        home="mini",
        files=partial(FILES[tool], careful=careful),
        prepare=PREPARE.get(tool, ()),
        build=BUILD[tool],
        force=FORCE[tool],
        results=texts,
        declared=IN_PYTHON if tool == "pytask" else IN_YAML,
        moved=PYTASK_MOVED if tool == "pytask" else {},
        folders=("weights", "scores"),
    )


OWN = Arrangement(
    tool="lockstep",
    setting="-",
    home="code/posts/mini",
    files=lockstep_files,
    prepare=(),
    build=commands("lockstep", ("build", "--no-render")),
    force=commands("lockstep", ("run", "mini.train", "--force")),
    results=ledger,
    declared=LOCKSTEP_DECLARED,
)


def arrangement(name: str) -> Arrangement:
    """By its name in the grid: `lockstep`, or a tool and `-plain` or `-careful`. Raises LockstepError for any other."""
    tool, _, setting = name.partition("-")
    if name == "lockstep":
        return OWN
    if tool not in FILES or setting not in ("plain", "careful"):
        raise LockstepError(
            f'no arrangement is named "{name}": lockstep, or {", ".join(FILES)} with -plain or -careful'
        )
    return of_files(tool, setting == "careful")
