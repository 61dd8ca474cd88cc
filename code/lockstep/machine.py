"""This machine, as the provenance of a run describes it: hardware, versions, commit."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from lockstep.ledger import Provenance

BENEATH = ("numpy", "torch", "sklearn", "matplotlib", "safetensors")  # what other packages compute with, too
NAMED_OTHERWISE = {"sklearn": "scikit-learn", "PIL": "pillow"}  # so that common ones need no search


def commit(root: Path) -> tuple[str, bool]:
    """The commit that is checked out, empty where there is none, and whether code differs from it."""
    return _git(root, "rev-parse", "HEAD"), bool(_git(root, "status", "--porcelain", "--", "code"))


def provenance(code: tuple[str, bool], command: str, seconds: float, imported: Iterable[str]) -> Provenance:
    """What explains a run that was made here and now by `code`, as `commit` tells it, which imports these packages."""
    return Provenance(
        command=command,
        commit=code[0],
        dirty=code[1],
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seconds=round(seconds, 3),
        host=os.environ.get("LOCKSTEP_HOST") or socket.gethostname(),
        hardware=hardware(),
        versions=versions(imported),
    )


def versions(imported: Iterable[str]) -> dict[str, str]:
    """Of Python, and by name of the installed packages that are loaded: those imported, and those beneath them."""
    found = {}
    for module in {*imported, *BENEATH} & sys.modules.keys() - sys.stdlib_module_names:
        for package in _packages_of(module):
            found[package] = metadata.version(package)
    return {"python": platform.python_version()} | dict(sorted(found.items()))


@cache
def _packages_of(module: str) -> tuple[str, ...]:
    """Those that install it, in their own spelling; a search through all that is installed where the names differ."""
    try:
        return (metadata.metadata(NAMED_OTHERWISE.get(module, module))["Name"],)
    except metadata.PackageNotFoundError:
        return tuple(sorted(set(metadata.packages_distributions().get(module, ()))))


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def hardware() -> str:
    """The processor and how many cores of it, and the accelerator where torch is loaded and sees one."""
    name = platform.processor() or platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text()
        name = next(line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    text = f"{name}, {os.cpu_count()} cores"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        text += f", {torch.cuda.get_device_name()}"
    return text
