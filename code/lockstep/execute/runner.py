"""Plan what is stale, order it, run it, record it.

The plan is made from one snapshot of the code, and runs import that same snapshot: what executed is what was
fingerprinted, whatever is edited meanwhile. A finished run is recorded at once; a killed one resumes.
"""

from __future__ import annotations

import fcntl
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from lockstep.depend.accounted import accounted, slice_of
from lockstep.depend.canonical import canonical_json, digest_value
from lockstep.depend.declared import is_declaration
from lockstep.depend.fingerprint import RUNNER, SCHEME, fingerprint, plain
from lockstep.depend.reach import Reach
from lockstep.depend.seen import Text
from lockstep.errors import LockstepError, ProjectError
from lockstep.execute import legs
from lockstep.execute.deliver import check_rows, deliver, made, tidy
from lockstep.execute.executors import Elsewhere, Executor, here
from lockstep.execute.plan import ALL, Selection, plan
from lockstep.execute.profiles import Profile
from lockstep.execute.server import Answers, Server, shared, text_of
from lockstep.execute.unfinished import Unfinished
from lockstep.execute.worker import Job, Outcome, Read
from lockstep.experiment import Keys, Stage
from lockstep.judge.claims import declared_digests
from lockstep.judge.freshness import VARIABLE, Freshness, upstream_entry
from lockstep.project.post import Post
from lockstep.record import ledger
from lockstep.record.ledger import Identity
from lockstep.record.machine import BENEATH, commit, provenance, slow


@dataclass
class Making:
    """What all runs of one plan share. One at a time plans and records; they work at the same time."""

    profile: Profile
    server: Server
    answers: Answers
    code: tuple[str, bool]  # the commit, and whether there are changes beside it, when the plan was made
    elsewhere: Elsewhere | None = None

    @property
    def post(self) -> Post:
        return self.profile.post


@contextmanager
def making(profile: Profile, executor: Executor = here) -> Iterator[Making]:
    answers, server = Answers(profile.post, profile.fetch), shared()
    elsewhere = executor if isinstance(executor, Elsewhere) else None
    try:
        yield Making(profile, server, answers, commit(profile.post.project.root), elsewhere)
    except BaseException:
        server.close()  # and with it what still works
        raise
    finally:
        answers.close()


def run_stages(profile: Profile, selection: Selection = ALL, executor: Executor = here) -> list[ledger.Line]:
    """Run what is stale or missing, upstream first; returns what was recorded.

    A failing run stops what reads it and nothing else. Raises LockstepError with all failures at the end.
    """
    post = profile.post
    lines: list[ledger.Line] = []
    errors: dict[str, None] = {}
    broken: set[Identity] = set()
    with making(profile, executor) as shared:
        for stage in post.experiment.stages.values():
            # what it reads has run by now; where that made the same again, nothing is stale here any more
            due = [state for state in plan(Freshness.of(post), selection) if state.stage is stage]
            lame = {s.identity for s in due if broken & {_identity(*read) for read in stage.inputs_of(s.keys)}}
            broken |= lame
            due = [state for state in due if state.identity not in lame]
            tasks = [partial(run_one, shared, stage, state.keys) for state in due]
            made = set[Identity]()
            for outcome in executor([f"{post.slug}.{state.name}" for state in due], tasks):
                if isinstance(outcome, ledger.Line):
                    lines.append(outcome)
                    made.add(outcome.identity)
                else:
                    errors[outcome] = None
            broken |= {state.identity for state in due} - made
            if due:
                post.forget()
    if errors:
        raise LockstepError("\n".join(errors))
    return lines


def _identity(stage: Stage, keys: Keys) -> Identity:
    return ledger.identity(stage.name, keys)


def run_one(shared: Making, stage: Stage, keys: Keys) -> ledger.Line:
    """Execute one run and record it.

    Raises LockstepError where the stage's code fails, or another process makes this very run; nothing is recorded then.
    """
    profile, post = shared.profile, shared.post
    with shared.answers.lock:
        found = Freshness.of(post).reach(stage, keys)
        config, upstream = post.experiment.config_at(keys), upstream_lines(post, stage, keys)
        key = scratch_key(stage, keys, found.digest, config, post, upstream)
        scratch = profile.scratch / stage.name / key
    name = ledger.describe(f"{post.slug}.{stage.name}", keys)
    if profile.commits and not shared.elsewhere and (reason := slow(stage.needs)):
        raise LockstepError(f"{name} {reason}: run it on another machine, and merge it here")
    unfinished = Unfinished(profile.store, key)
    with alone(scratch, name) as lock:
        if profile.store.url and not shared.elsewhere:
            unfinished.restore(scratch)
        job = job_of(profile, stage, keys, config, found, upstream, scratch)
        done, outcome = list[dict[str, Any]](), Outcome("done")
        for leg in legs.left(profile.store, key, stage.legs, scratch, done):
            outcome = work(shared, stage, replace(job, leg=leg), unfinished, lock)
            if outcome.kind == "failed":
                break
            if leg < stage.legs - 1:
                done.append(legs.told_of(explain(shared, stage, outcome, found), done))
                legs.keep(profile.store, key, leg, scratch, done[-1])
        with shared.answers.lock:
            line = record(shared, stage, keys, upstream, outcome, scratch, done)
        if profile.store.url:
            unfinished.clear()
        return line


def work(shared: Making, stage: Stage, job: Job, unfinished: Unfinished, lock: int) -> Outcome:
    """Make a run, or a leg of it, in a process of its own. Raises LockstepError where it ends without a result."""
    name = ledger.describe(f"{shared.post.slug}.{stage.name}", job.keys)
    for folder in ("artefacts", "outputs", "figures", "demo"):
        shutil.rmtree(job.scratch / folder, ignore_errors=True)  # of an attempt that did not end
    if shared.elsewhere:
        outcome = shared.elsewhere.work(shared, stage, job, unfinished.key)
    else:
        kept = unfinished.kept(job.scratch, job.leg) if shared.profile.store.url else nullcontext()
        with tempfile.TemporaryDirectory(prefix="lockstep-run-") as temporary, kept:
            outcome = shared.answers.outcome(shared.server.start(replace(job, temporary=Path(temporary)), lock))
    if outcome is None:
        raise LockstepError(f"{name}: its process was ended from outside, perhaps for want of memory")
    if outcome.kind == "error":
        raise StageError(shared.post, name, outcome)
    return outcome


def job_of(
    profile: Profile,
    stage: Stage,
    keys: Keys,
    config: Any,
    found: Reach,
    upstream: list[ledger.Line],
    scratch: Path,
) -> Job:
    """All that a run is told."""
    post, source = profile.post, profile.post.project.source
    kind, default = type(config), post.experiment.config()
    names = [field.name for field in fields(config) if field.init]
    try:
        changed = {name: getattr(config, name) for name in names if getattr(config, name) is not getattr(default, name)}
        settings = pickle.dumps(changed)
    except Exception as error:
        raise ProjectError(f"the settings of {stage.name} cannot be sent to a run: {error}") from None
    texts: list[Text] = []
    for name in sorted(found.executed):
        kept = slice_of(source, name, found) if is_declaration(name) else None
        if isinstance(text := text_of(source, name, kept), Text):
            texts.append(text)
    inputs = tuple(
        Read(line.stage, line.keys, line.rows, line.artefacts, line.outputs, post.ledger.home(line))
        for line in upstream
    )
    return Job(
        root=post.project.root,
        module=f"posts.{post.slug}.{stage.module}",
        function=stage.function,
        config=(kind.__module__, kind.__qualname__),
        settings=settings,
        keys=keys,
        data=tuple(post.experiment.data),
        scratch=scratch,
        inputs=inputs,
        modules=tuple(texts),
        docstrings=found.docstrings,
        libraries=tuple(sorted(source.packages(found.executed))),
        programs=stage.programs,
        variables=stage.variables,
        legs=stage.legs,
    )


def explain(shared: Making, stage: Stage, outcome: Outcome, found: Reach) -> ledger.Provenance:
    if outcome.elsewhere:
        return outcome.elsewhere
    source = shared.post.project.source
    imported = (source.packages(found.executed) | {*BENEATH}) & set(outcome.loaded)
    command = f"invoke {shared.post.slug}.{stage.name}"
    return provenance(shared.code, command, outcome.seconds, imported, stage.programs, outcome.accelerator)


def record(
    shared: Making,
    stage: Stage,
    keys: Keys,
    upstream: list[ledger.Line],
    outcome: Outcome,
    scratch: Path,
    done: list[dict[str, Any]],
) -> ledger.Line:
    """Put a finished run into the ledger, with all that its fingerprint covers."""
    profile, post = shared.profile, shared.post
    config = post.experiment.config_at(keys)
    rows = check_rows(post.experiment, stage, keys, outcome.rows)
    read = {name: plain(getattr(config, name)) for name in outcome.config} | outcome.reported
    read |= {VARIABLE + name: value for name, value in outcome.variables.items()}
    start = Freshness.of(post).start(stage, keys, outcome.config)
    seen, reached = accounted(post.project.source, start, outcome.seen)
    digests = {name: shared.answers.digest(name) for name in sorted(outcome.data)}
    entries = [upstream_entry(line, one) for line, one in zip(upstream, outcome.inputs, strict=True)]
    artefacts = made(stage, scratch, "artefacts") if outcome.kind == "done" else []
    earlier = post.ledger.get(stage.name, keys)
    explained = explain(shared, stage, outcome, reached)
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
        status=outcome.kind,
        reason=outcome.told,
        declared=declared_digests(post),
        seen=sorted(seen.seen - start.seen),
    ).summed()
    if done:
        explained = replace(explained, legs=[*done, legs.told_of(explained, done)])
    ledger.record(post.results, line, explained, (canonical_json(reached.symbols) + "\n").encode())
    post.forget()
    tidy(post, earlier)
    shutil.rmtree(scratch)
    return line


@contextmanager
def alone(scratch: Path, name: str) -> Iterator[int]:
    """One process at a time works in a scratch folder; the lock goes with its process, and that of its run.

    Yields the lock's file descriptor.
    """
    scratch.parent.mkdir(parents=True, exist_ok=True)
    path = scratch.with_name(f"{scratch.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockstepError(f"{name} is being made by another process: wait for it, or end it") from None
        yield file.fileno()
        path.unlink(missing_ok=True)


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


class StageError(LockstepError):
    """The code of a stage raised. Says where in the post, and nothing of the engine's own frames."""

    def __init__(self, post: Post, name: str, outcome: Outcome):
        frames = [f"  {post.project.relative(Path(file))}:{line}: {text}" for file, line, text in outcome.frames]
        told = f"{name} {outcome.told}" if outcome.told.startswith("raised ") else f"{name}: {outcome.told}"
        super().__init__("\n".join([told, *frames]))


def scratch_key(stage: Stage, keys: Keys, code: str, config: Any, post: Post, upstream: list[ledger.Line]) -> str:
    """Unfinished work is taken up only by a run that would do exactly the same."""
    data = {name: post.data_digest(name) for name in post.experiment.data}
    lines = [line.fingerprint for line in upstream]
    return digest_value([SCHEME, RUNNER, stage.name, keys, code, plain(config), data, lines])[:24]
