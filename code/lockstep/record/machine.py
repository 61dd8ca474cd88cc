"""This machine, as the provenance of a run describes it: hardware, versions, commit."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from lockstep.record.files import digest_file
from lockstep.record.ledger import Provenance

BENEATH = ("numpy", "torch", "sklearn", "matplotlib", "safetensors")  # what other packages compute with, too
NAMED_OTHERWISE = {"sklearn": "scikit-learn", "PIL": "pillow"}  # so that common ones need no search


def commit(root: Path) -> tuple[str, bool]:
    """The commit that is checked out, empty where there is none, and whether code differs from it."""
    return _git(root, "rev-parse", "HEAD"), bool(_git(root, "status", "--porcelain", "--", "code"))


def provenance(
    code: tuple[str, bool],
    command: str,
    seconds: float,
    imported: Iterable[str],
    programs: Iterable[str] = (),
    accelerator: str = "",
) -> Provenance:
    """What explains a run that was made here and now by `code`, as `commit` tells it, with these packages."""
    return Provenance(
        command=command,
        commit=code[0],
        dirty=code[1],
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seconds=round(seconds, 3),
        host=os.environ.get("LOCKSTEP_HOST") or socket.gethostname(),
        hardware=hardware(accelerator),
        versions=versions(imported) | programs_here(programs),
    )


def versions(imported: Iterable[str]) -> dict[str, str]:
    """Of Python, and by name of the installed packages to which these modules belong."""
    found = {}
    for module in set(imported) - sys.stdlib_module_names:
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


def programs_here(names: Iterable[str]) -> dict[str, str]:
    """What a stage may start, each with a digest of its file: there is no one way to ask for a version."""
    found = {name: path for name in names if name != "python" and (path := shutil.which(name))}
    return {name: f"sha256 {digest_file(Path(path))[:12]}" for name, path in found.items()}


def hardware(accelerator: str = "") -> str:
    """The processor and how many cores of it, and the accelerator that a run used."""
    name = platform.processor() or platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text()
        name = next(line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    text = f"{name}, {os.cpu_count()} cores"
    return text + (f", {accelerator}" if accelerator else "")


@cache
def slow(needs: str) -> str:
    """Why a run that needs something of its machine is refused here, as measured; empty where it is not."""
    if not needs:
        return ""
    code = (
        "import time, torch\n"
        "torch.set_num_threads(1)\n"
        "def best(kind):\n"
        "    a = torch.ones(512, 512, dtype=kind)\n"
        "    a @ a\n"
        "    times = []\n"
        "    for _ in range(5):\n"
        "        started = time.perf_counter(); a @ a; times.append(time.perf_counter() - started)\n"
        "    return min(times)\n"
        "print(best(torch.bfloat16) / best(torch.float32))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return "needs fast products in bfloat16, which cannot be measured here: torch does not load"
    ratio = float(done.stdout)
    return (
        ""
        if ratio <= 1
        else f"needs fast products in bfloat16, which take {ratio:.1f} times as long as in float32 here"
    )
