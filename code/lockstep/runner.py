"""Plan what is stale, order it, run it, record it.

The plan is made from one snapshot of the code, and runs import that same snapshot: what executed is what was
fingerprinted, whatever is edited meanwhile. A finished run is recorded at once; a killed one resumes.
"""

from __future__ import annotations

import importlib
import math
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lockstep import guard, ledger
from lockstep.canonical import canonical_json, digest_value
from lockstep.claims import declared_digests
from lockstep.errors import LockstepError, ProjectError, RunFailed
from lockstep.experiment import Experiment, Keys, Stage
from lockstep.fingerprint import RUNNER, SCHEME, fingerprint, plain
from lockstep.freshness import Freshness, State, upstream_entry
from lockstep.project import Post, serve
from lockstep.run import Input, Run
from lockstep.store import Store, digest_file

VERSIONS_OF = ("numpy", "torch", "scikit-learn", "matplotlib", "safetensors")


@dataclass
class Bench:
    """Where runs of one post happen: the published profile in the project, the smoke profile in a temporary folder."""

    post: Post
    experiment: Experiment
    results: Path
    folder: Path
    scratch: Path
    store: Store
    profile: str = "published"
    trace: bool = False
    executed: set[str] = field(default_factory=set)

    @classmethod
    def published(cls, post: Post) -> Bench:
        scratch = post.project.root / ".lockstep" / "scratch" / post.slug
        return cls(post, post.experiment, post.results, post.folder, scratch, post.project.store)

    @classmethod
    def smoke(cls, post: Post, folder: Path) -> Bench:
        """Everything under `folder`; code that executes without being covered by the fingerprint is an error."""
        made = folder / "content"
        smoked = post.experiment.smoked()
        return cls(post, smoked, made / "results", made, folder / "scratch", Store(folder / "store"), "smoke", True)

    def ledger(self) -> ledger.Ledger:
        return ledger.read(self.results)


def plan(freshness: Freshness, stages: Iterable[str] | None = None, force: bool = False) -> list[State]:
    """The runs to make, upstream first. A failed run is final unless forced."""
    names = set(freshness.experiment.stages if stages is None else stages)
    wanted = with_upstream(freshness.experiment, names)
    chosen = []
    for state in freshness.all():
        if state.stage.name in wanted:
            forced = force and state.stage.name in names
            if forced or state.kind in ("stale", "missing"):
                chosen.append(state)
    return chosen


def with_upstream(experiment: Experiment, names: set[str]) -> set[str]:
    wanted = set(names)
    for name in reversed(experiment.stages):
        if name in wanted:
            wanted |= {stage.name for stage in experiment.stages[name].upstream}
    return wanted


def cost(post: Post, states: Iterable[State]) -> float | None:
    """Seconds that these runs took last time, or their like; None where nothing is known of one."""
    total = 0.0
    for state in states:
        lines = [state.line] if state.line else list(post.ledger.of(state.stage.name))
        seconds = [p.seconds for line in lines if line and (p := post.ledger.provenance(line))]
        if not seconds:
            return None
        total += sum(seconds) / len(seconds)
    return total


def run_one(bench: Bench, stage: Stage, keys: Keys, freshness: Freshness) -> ledger.Line:
    """Execute one run and record it. Raises LockstepError where the stage's code fails; nothing is recorded then."""
    reached = freshness.reach(stage)
    config = bench.experiment.config_at(keys)
    record = bench.ledger()
    upstream: list[tuple[Stage, Keys, ledger.Line, Input]] = []
    for other, other_keys in stage.inputs_of(keys):
        line = record.get(other.name, other_keys)
        if line is None or line.status != "done":
            reason = f"failed: {line.reason}" if line else "has not run"
            raise LockstepError(
                f"{ledger.describe(stage.name, keys)} needs {ledger.describe(other.name, other_keys)}, which {reason}"
            )
        made = Input(other.name, other_keys, line.rows, line.artefacts, line.outputs, bench.store.get, bench.folder)
        upstream.append((other, other_keys, line, made))

    scratch = bench.scratch / stage.name / scratch_key(stage, keys, reached.digest, config, bench, upstream)
    data = {name: dataset.load for name, dataset in bench.experiment.data.items()}
    run = Run(config, keys, data, scratch, [made for *_, made in upstream], bench.post.paper.find)
    status, reason, rows = "done", "", []
    try:
        rows = call(bench, stage, run)
    except RunFailed as error:
        status, reason = "failed", str(error)
    seconds = run.seconds

    artefacts = {path.name: bench.store.put(path) for path in sorted((scratch / "artefacts").iterdir())}
    outputs = deliver(bench, stage, keys, scratch)
    read = {name: plain(value) for name, value in run.config.read().items()} | run.reported_read
    digests = {name: bench.experiment.data[name].digest for name in sorted(run.data_read)}
    entries = [upstream_entry(other, other_keys, line, made.read) for other, other_keys, line, made in upstream]
    line = ledger.Line(
        v=ledger.VERSION,
        post=bench.post.slug,
        stage=stage.name,
        keys=keys,
        fingerprint=fingerprint(stage.name, keys, reached.digest, read, digests, entries),
        code=reached.digest,
        config=read,
        data=digests,
        upstream=entries,
        rows=check_rows(bench.experiment, stage, keys, rows),
        artefacts=artefacts if status == "done" else {},
        outputs=outputs,
        status=status,
        reason=reason,
        declared=declared_digests(bench.post),
    ).summed()
    symbols = canonical_json(reached.symbols) + "\n"
    ledger.write_whole(bench.results / "code" / f"{reached.digest}.json", symbols.encode())
    earlier = record.get(stage.name, keys)
    ledger.record(bench.results, line, provenance(bench.post, stage, seconds))
    tidy(bench, earlier, line)
    shutil.rmtree(scratch)
    bench.post.forget()
    return line


def call(bench: Bench, stage: Stage, run: Run) -> list[dict[str, Any]]:
    """The stage's function, imported from the snapshot, guarded, and in the smoke profile traced."""
    source = bench.post.project.source
    serve(source)
    watch = guard.traced(source) if bench.trace else nullcontext(set[tuple[str, int, str]]())
    try:
        with guard.only_declared(bench.post.project.root, run.scratch), watch as executed:
            module = importlib.import_module(f"posts.{bench.post.slug}.{stage.module}")
            result: Any = getattr(module, stage.function)(run)
    except LockstepError:
        raise
    except Exception as error:
        raise StageError(bench.post, stage, run.keys, error) from error
    reached = Freshness(bench.post, bench.experiment).reach(stage)
    if missing := guard.uncovered(executed, set(reached.symbols), reached.executed, source):
        raise LockstepError(
            f"{stage.name} executed code that its fingerprint does not cover: {', '.join(missing)}. "
            "Name it where it is used, so that a change of it can be seen"
        )
    return [dict(result)] if isinstance(result, Mapping) else list(result or [])


class StageError(LockstepError):
    """The code of a stage raised. Says where in the post, and nothing of the engine's own frames."""

    def __init__(self, post: Post, stage: Stage, keys: Keys, error: Exception):
        inside = str(post.project.root / "code" / "posts")
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(inside)]
        places = [f"  {post.project.relative(Path(f.filename))}:{f.lineno}: {f.line}" for f in frames]
        name = ledger.describe(f"{post.slug}.{stage.name}", keys)
        super().__init__("\n".join([f"{name} raised {type(error).__name__}: {error}", *places]))


def scratch_key(
    stage: Stage,
    keys: Keys,
    code: str,
    config: Any,
    bench: Bench,
    upstream: list[tuple[Stage, Keys, ledger.Line, Input]],
) -> str:
    """Unfinished work is taken up only by a run that would do exactly the same."""
    data = {name: dataset.digest for name, dataset in bench.experiment.data.items()}
    lines = [line.fingerprint for _, _, line, _ in upstream]
    return digest_value([SCHEME, RUNNER, stage.name, keys, code, plain(config), data, lines])[:24]


def check_rows(experiment: Experiment, stage: Stage, keys: Keys, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the ledger holds them: keys first, plain finite numbers, every float a declared metric."""
    checked = []
    for row in rows:
        whole: dict[str, Any] = dict(keys)
        for name, value in row.items():
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


def deliver(bench: Bench, stage: Stage, keys: Keys, scratch: Path) -> dict[str, str]:
    """Put figures and tables where the prose finds them; returns their digests by path."""
    point = "-".join(f"{key}={value}" for key, value in keys.items())
    places = [(path, f"figures/{path.name}") for path in sorted((scratch / "figures").iterdir())]
    folder = "/".join(filter(None, ["results", stage.name, point]))
    places += [(path, f"{folder}/{path.name}") for path in sorted((scratch / "outputs").iterdir())]
    for path, place in places:
        ledger.write_whole(bench.folder / place, path.read_bytes())
    return {place: digest_file(path) for path, place in places}


def tidy(bench: Bench, earlier: ledger.Line | None, line: ledger.Line) -> None:
    """Remove what only the replaced line referred to: outputs, and symbols of code that no line ran."""
    record = bench.ledger()
    outputs = {place for other in record.lines.values() for place in other.outputs}
    for place in earlier.outputs if earlier else {}:
        if place not in outputs:
            (bench.folder / place).unlink(missing_ok=True)
    used = {other.code for other in record.lines.values()}
    for path in (bench.results / "code").glob("*.json"):
        if path.stem not in used:
            path.unlink(missing_ok=True)


def provenance(post: Post, stage: Stage, seconds: float) -> ledger.Provenance:
    versions = {"python": platform.python_version()}
    for package in VERSIONS_OF:
        if package.replace("-", "_").replace("scikit_learn", "sklearn") in sys.modules:
            versions[package] = metadata.version(package)
    commit = _git(post.project.root, "rev-parse", "HEAD")
    return ledger.Provenance(
        command=f"invoke {post.slug}.{stage.name}",
        commit=commit,
        dirty=bool(_git(post.project.root, "status", "--porcelain", "--", "code")),
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


def run_all(bench: Bench, states: list[State], freshness: Freshness) -> list[ledger.Line]:
    """Run in order. A failing stage stops what depends on it, not the rest; its error is raised at the end."""
    lines, errors, broken = [], [], set()
    for number, state in enumerate(states, start=1):
        if state.stage.name in broken or {stage.name for stage in state.stage.upstream} & broken:
            broken.add(state.stage.name)
            continue
        print(f"[{number}/{len(states)}] {bench.post.slug}.{state.name}", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            lines.append(run_one(bench, state.stage, state.keys, freshness))
        except LockstepError as error:
            errors.append(str(error))
            broken.add(state.stage.name)
        else:
            ended = "failed: " + lines[-1].reason if lines[-1].status == "failed" else "done"
            print(f"  {ended} after {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    if errors:
        raise LockstepError("\n".join(errors))
    return lines


__all__ = ["Bench", "cost", "plan", "run_all", "run_one", "with_upstream"]
