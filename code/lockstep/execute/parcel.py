"""What travels between the planner and a worker of a cluster: a run with the snapshot of its code, and what it made.

Code is a dictionary of files, known by its digest. Files that are large go through the store where that has an address,
else along with the run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from uuid import uuid4

from lockstep.execute.worker import Job, Outcome
from lockstep.project.post import Post

ENGINE = Path(__file__).parents[1]
Files = dict[str, bytes]


@dataclass(frozen=True)
class Parcel:
    """One run, or one leg of it. `key` is that of its unfinished work; `data` are the digests of the planner.

    `at` are files of its scratch folder and `artefacts` what it may read, each by digest. Those in `held` come along,
    in that order; the others are in the store. `outputs` are small files of each run that it reads.
    """

    post: str
    stage: str
    key: str
    job: Job
    snapshot: str
    code: tuple[str, bool]
    needs: str
    data: dict[str, str]
    store: str
    at: dict[str, str] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    outputs: tuple[Files, ...] = ()

    def placed(self, root: Path, scratch: Path, inputs: Path) -> Job:
        """The run where it is made: its code is that of the snapshot under another root."""
        old = str(self.job.root)
        texts = tuple(replace(t, path=str(root) + t.path.removeprefix(old)) for t in self.job.modules)
        read = tuple(replace(r, results=inputs / str(n) / "results") for n, r in enumerate(self.job.inputs))
        return replace(self.job, root=root, scratch=scratch, inputs=read, modules=texts)


@dataclass
class Made:
    """How it ended. `unfit`: why this worker cannot make it, although another may; `files` of its scratch folder."""

    unfit: str = ""
    error: str = ""
    outcome: Outcome | None = None
    files: dict[str, bytes | str] = field(default_factory=dict)  # content, or the digest of what is in the store


def packed(post: Post) -> Files:
    """The project's code, and what its paper reports: all that a run of this post may import or ask for."""
    root = post.project.root
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in _code(root / "code")}
    for path in (root / "content" / post.slug / "paper.toml", root / "content" / post.slug / "index.md"):
        if path.is_file():
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def _code(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if n != "__pycache__" and not n.startswith("."))
        if Path(path) == folder and (folder / "lockstep" / "__init__.py").is_file():
            folders.remove("lockstep")
        yield from (Path(path, name) for name in sorted(names) if not name.endswith(".pyc") and name[0] != ".")


def digest_files(files: Mapping[str, bytes]) -> str:
    """sha256 over names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def unpacked(folder: Path, digest: str, files: Files) -> Path:
    """The snapshot as a project on disk, kept under its digest: what lies there is read, and made anew where it is
    another."""
    root = folder / digest
    if _is(root, digest):
        return root
    part = folder / f"{digest}.{uuid4().hex}"
    for name, content in files.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in ("code/posts", "content"):
        (part / name).mkdir(parents=True, exist_ok=True)
    # another worker of this host may have been first by now: runs already read what it put there
    if root.exists() and not _is(root, digest):
        with suppress(OSError):
            root.rename(part.with_suffix(".wrong"))
        shutil.rmtree(part.with_suffix(".wrong"), ignore_errors=True)
    try:
        part.rename(root)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
    return root


def _is(root: Path, digest: str) -> bool:
    """Does a snapshot lie there, with nothing changed?"""
    with suppress(OSError):
        files = {path.relative_to(root).as_posix(): path.read_bytes() for path in _all(root)}
        return root.is_dir() and digest_files(files) == digest
    return False


def _all(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@cache
def engine() -> str:
    """A digest of lockstep itself."""
    return digest_files({p.relative_to(ENGINE).as_posix(): p.read_bytes() for p in sorted(ENGINE.rglob("*.py"))})
