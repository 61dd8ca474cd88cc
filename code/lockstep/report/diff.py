"""Diff: what changed in the results since a commit, as Markdown for a review comment.

Compared is what readers see: the values that prose binds with the sentences that hold them, claims with the distance by
which they hold, then results that no sentence shows, runs and figures. Times and machines are left out.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lockstep.depend.canonical import canonical_json
from lockstep.errors import LockstepError
from lockstep.judge.claims import Judgement
from lockstep.judge.freshness import Freshness
from lockstep.judge.measured import Measurements
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.prose import bindings
from lockstep.prose.resolve import Resolver
from lockstep.record.ledger import describe


def diff(project: Project, revision: str) -> Iterator[str]:
    """The report on every post whose results differ from those of a revision. Raises LockstepError."""
    with tempfile.TemporaryDirectory(prefix="lockstep-diff-") as temporary:
        before = Project(export(project.root, revision, Path(temporary)))
        now = {slug: View(project.post(slug)) for slug in project.slugs}  # one version is imported at a time
        then = {slug: View(before.post(slug)) for slug in before.slugs}
        parts = [part for slug in sorted({*now, *then}) for part in _post(slug, then.get(slug), now.get(slug))]
    yield f"# Results since {revision}"
    yield from parts or ["\nNo result changed."]


def export(root: Path, revision: str, folder: Path) -> Path:
    """The code and content of a revision, written to a folder. Raises LockstepError where git does not know it."""
    command = ["git", "archive", "--format=tar", revision, "--", "code/posts", "content"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except OSError as error:
        raise LockstepError(f"comparing revisions needs git: {error}") from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise LockstepError(f'git has no revision "{revision}" of this project: {told}; git log lists them')
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


class View:
    """All that is compared of one version of a post, worked out at once. `broken` says why a version does not load."""

    def __init__(self, post: Post):
        self.broken = ""
        self.resolver: Resolver | None = None
        self.sentences: dict[str, list[str]] = {}
        self.claims: dict[str, Judgement | str] = {}
        self.kinds: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.figures: dict[str, str] = {}
        try:
            self._read(post)
        except LockstepError as error:
            self.broken = str(error)

    def _read(self, post: Post) -> None:
        self.resolver = resolver = Resolver.of(post)
        freshness = Freshness.of(post)
        self.kinds = Measurements(freshness).kinds()
        for line in post.ledger.lines.values():
            self.runs[describe(line.stage, line.keys)] = canonical_json([line.rows, line.status])
            self.figures |= {place: digest for place, digest in line.outputs.items() if place.startswith("figures/")}
        for name in post.experiment.claims:
            try:
                self.claims[name] = resolver.judgement(name)
            except LockstepError as error:
                self.claims[name] = str(error)
        prose = bindings.read(post.prose, post.project.relative(post.prose)) if post.prose.exists() else None
        for binding in prose.bindings if prose else ():
            if binding.kind in bindings.VALUES:
                sentences = self.sentences.setdefault(f"{binding.kind}:{binding.target}", [])
                if prose and (sentence := bindings.sentence(prose, binding)) not in sentences:
                    sentences.append(sentence)

    def text(self, target: str) -> str:
        """What a binding shows in this version, whether its prose has it or not; a dash where that is nothing."""
        kind, _, rest = target.partition(":")
        try:
            return self.resolver.resolve(kind, rest, "")["text"] if self.resolver else "—"
        except LockstepError:
            return "—"


def _post(slug: str, then: View | None, now: View | None) -> Iterator[str]:
    if now is None or then is None:
        yield f"\n## {slug}\n\nThe post is {'gone' if now is None else 'new'}."
        return
    if now.broken or then.broken:
        if now.broken != then.broken:
            yield f"\n## {slug}\n\nIt does not load {'now' if now.broken else 'there'}: {now.broken or then.broken}"
        return
    parts = [*_numbers(then, now), *_claims(then, now), *_others(then, now)]
    if parts:
        yield f"\n## {slug}"
        yield from parts


def _numbers(then: View, now: View) -> Iterator[str]:
    changed = {t: (then.text(t), now.text(t)) for t in now.sentences if then.text(t) != now.text(t)}
    if changed:
        yield "\n| number | before | now | sentence |\n| --- | --- | --- | --- |"
    for target, (before, text) in changed.items():
        sentences = "<br>".join(sentence.replace("|", "\\|") for sentence in now.sentences[target])
        yield f"| `{target}` | {before} | {text} | {sentences} |"


def _claims(then: View, now: View) -> Iterator[str]:
    names = [name for name in {**then.claims, **now.claims} if _says(then, name) != _says(now, name)]
    if names:
        yield "\n| claim | before | now |\n| --- | --- | --- |"
    for name in names:
        yield f"| {name} | {_says(then, name)} | {_says(now, name)} |"


def _says(view: View, name: str) -> str:
    """The verdict, and the distance by which it holds."""
    found = view.claims.get(name)
    if not isinstance(found, Judgement):
        return found or "—"
    unit = f" {found.unit}" if found.unit else ""
    by = "" if found.slack is None else f", by {found.slack:.{found.digits + 1}f}{unit}"
    return f"{found.comparison.verdict}{by}" + ("" if found.holds else f" (declared {found.claim.verdict})")


def _others(then: View, now: View) -> Iterator[str]:
    """Results that no sentence shows, runs by what became of them, and figures."""
    rows = [n for n in {**then.kinds, **now.kinds} if then.kinds.get(n) != now.kinds.get(n)]
    if rows:
        yield f"\n<details><summary>{len(rows)} mean values differ, shown in prose or not</summary>\n"
        yield "| value | before | now |\n| --- | --- | --- |"
        yield from (f"| {name} | {then.kinds.get(name, '—')} | {now.kinds.get(name, '—')} |" for name in rows)
        yield "\n</details>"
    for word, names in (
        ("new", [name for name in now.runs if name not in then.runs]),
        ("gone", [name for name in then.runs if name not in now.runs]),
        ("with other results", [name for name in now.runs if then.runs.get(name, now.runs[name]) != now.runs[name]]),
    ):
        if names:
            yield f"\nRuns {word}: {len(names)} ({', '.join(names[:6])}{', …' if len(names) > 6 else ''})."
    figures = [place for place, digest in now.figures.items() if then.figures.get(place) != digest]
    if figures:
        yield f"\nFigures drawn anew: {', '.join(figures)}."
