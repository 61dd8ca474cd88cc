"""The code of the project as a commit has it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from lockstep.depend.source import Source


def source_at(root: Path, commit: str, folder: Path) -> Source | None:
    """The code of a commit, its own engine included, unpacked below `folder`; None where git does not know it."""
    command = ["git", "archive", commit, "code"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if done.returncode:
        return None
    place = folder / commit.replace("/", "-")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(place, filter="data")
    engine = place / "code" if (place / "code/lockstep").is_dir() else None
    return Source(place / "code", engine)
