"""Plan what is stale, order it, run it, record it.

The plan is made from one snapshot of the code, and runs import that same snapshot: what executed is what was
fingerprinted, whatever is edited meanwhile. A finished run is recorded at once; a killed one resumes.
"""

from __future__ import annotations

import fcntl
import importlib
import math
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lockstep import accept, guard, ledger
from lockstep.canonical import canonical_json, digest_value
from lockstep.claims import declared_digests
from lockstep.errors import LockstepError, ProjectError, RunFailed
from lockstep.executors import Executor, here
from lockstep.experiment import Experiment, Keys, Stage
from lockstep.files import digest_file, write_whole
from lockstep.fingerprint import RUNNER, SCHEME, fingerprint, plain
from lockstep.freshness import Freshness, upstream_entry
from lockstep.machine import commit, provenance
from lockstep.plan import ALL, Selection, plan
from lockstep.project import Post, serve
from lockstep.reach import Reach
from lockstep.run import Input, Run
from lockstep.store import Store

PUBLISHED_LIMIT = 10_000_000  # bytes


@dataclass(frozen=True)
class Profile:
    """Where the runs of a post happen: published in the project, smoke in a temporary folder."""

    post: Post
    scratch: Path
    store: Store
    trace: bool = False

    def fetch(self, digest: str) -> Path | None:
        """An artefact from the store, or the same bytes from what the post publishes; None where it is not at hand."""
        return self.store.get(digest) or self.post.published(digest)

    @classmethod
    def published(cls, post: Post) -> Profile:
        return cls(post, post.project.root / ".lockstep" / "scratch" / post.slug, post.project.store)

    @classmethod
    def smoke(cls, post: Post, folder: Path) -> Profile:
        """Everything under `folder`; code that executes without being covered by the fingerprint is an error."""
        return cls(post.smoked(folder / "content"), folder / "scratch", Store(folder / "store"), trace=True)

    @classmethod
    def elsewhere(cls, post: Post, folder: Path) -> Profile:
        """Published runs, kept whole under `folder`, from where `merge` takes them into another clone."""
        store = Store(folder / "store", fallback=post.project.store)
        return cls(post.placed(folder / post.slug), folder / ".scratch" / post.slug, store)


def run_stages(profile: Profile, selection: Selection = ALL, executor: Executor = here) -> list[ledger.Line]:
    """Run what is stale or missing, upstream first; returns what was recorded.

    A failing run stops what depends on it and nothing else. Raises LockstepError with all failures at the end.
    """
    post = profile.post
    lines: list[ledger.Line] = []
    errors: list[str] = []
    broken: set[str] = set()
    code = commit(post.project.root)  # now: what is committed while something runs is not what it runs
    for stage in post.experiment.stages.values():
        if broken & {upstream.name for upstream in stage.upstream}:
            broken.add(stage.name)
            continue
        # what it reads has run by now; where that made the same again, nothing is stale here any more
        due = [state for state in plan(Freshness.of(post), selection) if state.stage is stage]
        tasks = [partial(run_one, profile, stage, state.keys, code) for state in due]
        for outcome in executor([f"{post.slug}.{state.name}" for state in due], tasks):
            if isinstance(outcome, ledger.Line):
                lines.append(outcome)
            else:
                errors.append(outcome)
                broken.add(stage.name)
        if due:
            post.forget()
    if errors:
        raise LockstepError("\n".join(errors))
    return lines


def run_one(profile: Profile, stage: Stage, keys: Keys, code: tuple[str, bool]) -> ledger.Line:
    """Execute one run and record it, as made by this commit of the code.

    Raises LockstepError where the stage's code fails, or another process makes this very run; nothing is recorded then.
    """
    post = profile.post
    reached = Freshness.of(post).reach(stage)
    config, upstream = post.experiment.config_at(keys), upstream_lines(post, stage, keys)
    scratch = profile.scratch / stage.name / scratch_key(stage, keys, reached.digest, config, post, upstream)
    with alone(scratch, ledger.describe(f"{post.slug}.{stage.name}", keys)):
        return _run(profile, stage, keys, code, reached, upstream, scratch)


@contextmanager
def alone(scratch: Path, name: str) -> Iterator[None]:
    """One process at a time works in a scratch folder; the lock goes with its process."""
    scratch.parent.mkdir(parents=True, exist_ok=True)
    path = scratch.with_name(f"{scratch.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockstepError(f"{name} is being made by another process: wait for it, or end it") from None
        yield
        path.unlink(missing_ok=True)


def _run(
    profile: Profile,
    stage: Stage,
    keys: Keys,
    code: tuple[str, bool],
    reached: Reach,
    upstream: list[ledger.Line],
    scratch: Path,
) -> ledger.Line:
    post, config = profile.post, profile.post.experiment.config_at(keys)
    inputs = [
        Input(line.stage, line.keys, line.rows, line.artefacts, line.outputs, profile.fetch, post.ledger.home(line))
        for line in upstream
    ]
    data = {name: dataset.load for name, dataset in post.experiment.data.items()}
    run = Run(config, keys, data, scratch, inputs, post.paper.find)
    status, reason, rows = "done", "", []
    try:
        rows = check_rows(post.experiment, stage, keys, call(profile, stage, run, reached))
    except RunFailed as error:
        status, reason = "failed", str(error)
    seconds = run.seconds

    read = {name: plain(value) for name, value in run.config.read().items()} | run.reported_read
    digests = {name: post.data_digest(name) for name in sorted(run.data_read)}
    entries = [upstream_entry(line, one.read) for line, one in zip(upstream, inputs, strict=True)]
    artefacts = made(stage, scratch, "artefacts") if status == "done" else []
    earlier = post.ledger.get(stage.name, keys)
    line = ledger.Line(
        v=ledger.VERSION,
        post=post.slug,
        stage=stage.name,
        keys=keys,
        fingerprint=fingerprint(stage.name, keys, reached.digest, read, digests, entries),
        code=reached.digest,
        config=read,
        data=digests,
        upstream=entries,
        rows=rows,
        artefacts={path.name: profile.store.put(path) for path in artefacts},
        outputs=deliver(post, stage, keys, scratch),
        status=status,
        reason=reason,
        declared=declared_digests(post),
    ).summed()
    explained = provenance(
        code, f"invoke {post.slug}.{stage.name}", seconds, post.project.source.packages(reached.executed)
    )
    ledger.record(post.results, line, explained, (canonical_json(reached.symbols) + "\n").encode())
    post.forget()
    tidy(post, earlier)
    shutil.rmtree(scratch)
    return line


def upstream_lines(post: Post, stage: Stage, keys: Keys) -> list[ledger.Line]:
    """The finished runs that this one reads. Raises LockstepError where one is missing or failed."""
    lines = []
    for other, other_keys in stage.inputs_of(keys):
        line = post.ledger.get(other.name, other_keys)
        if line is None or line.status != "done":
            reason = f"failed: {line.reason}" if line else "has not run"
            needed = ledger.describe(other.name, other_keys)
            raise LockstepError(f"{ledger.describe(stage.name, keys)} needs {needed}, which {reason}")
        lines.append(line)
    return lines


def call(profile: Profile, stage: Stage, run: Run, reached: Reach) -> list[dict[str, Any]]:
    """The stage's function, imported from the snapshot, guarded, and in the smoke profile traced."""
    post, source = profile.post, profile.post.project.source
    serve(source)
    watch = guard.traced(source) if profile.trace else nullcontext(set[tuple[str, int, str]]())
    if profile.trace:
        guard.load_libraries(reached.executed, source)
    try:
        with guard.only_declared(post.project.root, run.scratch), watch as executed:
            module = importlib.import_module(f"posts.{post.slug}.{stage.module}")
            result: Any = getattr(module, stage.function)(run)
    except RunFailed:
        raise
    except LockstepError as error:
        error.args = ("\n".join([str(error), *_frames(post, error)[-1:]]),)
        raise
    except Exception as error:
        raise StageError(post, stage, run.keys, error) from error
    if missing := guard.uncovered(executed, set(reached.symbols), reached.executed, source):
        raise LockstepError(
            f"{stage.name} executed code that its fingerprint does not cover: {', '.join(missing)}. "
            "Name it where it is used, so that a change of it can be seen"
        )
    rows = [result] if isinstance(result, Mapping) else [] if result is None else result
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Mapping) for row in rows):
        raise LockstepError(f"{stage.name} returns {result!r:.60}: expected a row, a list of rows, or None")
    return [dict(row) for row in rows]


class StageError(LockstepError):
    """The code of a stage raised. Says where in the post, and nothing of the engine's own frames."""

    def __init__(self, post: Post, stage: Stage, keys: Keys, error: Exception):
        name = ledger.describe(f"{post.slug}.{stage.name}", keys)
        super().__init__("\n".join([f"{name} raised {type(error).__name__}: {error}", *_frames(post, error)]))


def _frames(post: Post, error: Exception) -> list[str]:
    """Where in the posts an error came by, the innermost last: file, line and source, indented."""
    inside = str(post.project.root / "code" / "posts")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(inside)]
    return [f"  {post.project.relative(Path(f.filename))}:{f.lineno}: {f.line}" for f in frames]


def scratch_key(stage: Stage, keys: Keys, code: str, config: Any, post: Post, upstream: list[ledger.Line]) -> str:
    """Unfinished work is taken up only by a run that would do exactly the same."""
    data = {name: post.data_digest(name) for name in post.experiment.data}
    lines = [line.fingerprint for line in upstream]
    return digest_value([SCHEME, RUNNER, stage.name, keys, code, plain(config), data, lines])[:24]


def check_rows(experiment: Experiment, stage: Stage, keys: Keys, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the ledger holds them: keys first, plain finite numbers, every float a declared metric."""
    checked = []
    for row in rows:
        whole: dict[str, Any] = dict(keys)
        for name, value in row.items():
            if name == "stage":
                raise ProjectError(f'stage "{stage.name}" returns a key "stage": queries select stages by that name')
            value = value.item() if hasattr(value, "item") else value
            if isinstance(value, float):
                if experiment.metric(name) is None:
                    raise ProjectError(f'stage "{stage.name}" returns "{name}", which is no declared Metric')
                if not math.isfinite(value):
                    raise LockstepError(
                        f'stage "{stage.name}" returns {name} = {value}: end the run with run.fail instead'
                    )
            elif not isinstance(value, (str, int)):
                raise LockstepError(f'stage "{stage.name}" returns {name} = {value!r}: expected a number or a text')
            whole[name] = value
        checked.append(whole)
    return checked


def made(stage: Stage, scratch: Path, kind: str) -> list[Path]:
    """The files of one kind that a run left. Raises LockstepError for a folder among them."""
    found = sorted((scratch / kind).iterdir())
    if folders := [path.name for path in found if not path.is_file()]:
        raise LockstepError(f"{stage.name} made {kind}/{folders[0]}, which is no file: pack a folder into one")
    return found


def deliver(post: Post, stage: Stage, keys: Keys, scratch: Path) -> dict[str, str]:
    """Put figures, tables and what demos load where the prose finds them; returns their digests by path.

    Raises LockstepError where another run has made a file of that name, or demos would weigh too much for a commit.
    """
    point = "-".join(f"{key}={value}" for key, value in keys.items())
    folder = "/".join(filter(None, ["results", stage.name, point]))
    shown = [path for kind in ("figures", "demo") for path in made(stage, scratch, kind)]
    places = [(path, f"{path.parent.name}/{path.name}") for path in shown]
    places += [(path, f"{folder}/{path.name}") for path in made(stage, scratch, "outputs")]
    others = {place: line for line in post.ledger.lines.values() for place in line.outputs}
    for _, place in places:
        if (other := others.get(place)) and (other.stage, other.keys) != (stage.name, keys):
            both = f"{ledger.describe(other.stage, other.keys)} and {ledger.describe(stage.name, keys)}"
            raise LockstepError(f"{both} both make {place}: give each file its own name")
    size = sum(path.stat().st_size for path, place in places if place.startswith("demo/"))
    if size > PUBLISHED_LIMIT:
        raise LockstepError(f"{stage.name} publishes {size / 1e6:.1f} MB for demos: a post may commit 10 MB in all")
    for path, place in places:
        write_whole(post.folder / place, path.read_bytes())
    return {place: digest_file(path) for path, place in places}


def tidy(post: Post, earlier: ledger.Line | None) -> None:
    """Remove what only the replaced line referred to: outputs, symbols of code that no line ran, acceptances."""
    outputs = {place for line in post.ledger.lines.values() for place in line.outputs}
    for place in earlier.outputs if earlier else {}:
        if place not in outputs:
            (post.folder / place).unlink(missing_ok=True)
    with ledger.locked(post.results):  # another process may have recorded a run since
        used = {line.code for line in ledger.read(post.results).lines.values()}
        for path in (post.results / "code").glob("*.json"):
            if path.stem not in used:
                path.unlink(missing_ok=True)
    if post.base is None:  # else the record is another's
        accept.prune(post.accepted_path, {line.fingerprint for line in post.ledger.lines.values()})
