"""This machine, as the provenance of a run describes it: hardware, versions, commit."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from lockstep.ledger import Provenance

VERSIONS_OF = ("numpy", "torch", "scikit-learn", "matplotlib", "safetensors")


def provenance(root: Path, command: str, seconds: float) -> Provenance:
    """What explains a run that was made here and now."""
    versions = {"python": platform.python_version()}
    for package in VERSIONS_OF:
        if package.replace("-", "_").replace("scikit_learn", "sklearn") in sys.modules:
            versions[package] = metadata.version(package)
    commit = _git(root, "rev-parse", "HEAD")
    return Provenance(
        command=command,
        commit=commit,
        dirty=bool(_git(root, "status", "--porcelain", "--", "code")),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seconds=round(seconds, 3),
        host=os.environ.get("LOCKSTEP_HOST") or socket.gethostname(),
        hardware=hardware(),
        versions=versions,
    )


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
