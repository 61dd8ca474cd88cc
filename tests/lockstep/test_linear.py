"""The work of a check grows with bindings and rows, not with their product: counted, since clocks say little here."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import wide
from lockstep.build import refresh
from lockstep.judge import freshness, measured
from lockstep.judge.freshness import Freshness
from lockstep.project.paper import Paper, Reported
from lockstep.project.project import Project
from lockstep.prose import bindings, excerpts, resolve
from lockstep.prose.resolve import Resolver
from lockstep.record import ledger
from lockstep.record.index import Index
from lockstep.report.check import check_all
from lockstep.site.markdown import Page

COUNTED: list[tuple[Any, str]] = [
    (measured.Index, "matching"),
    (measured, "identity"),
    (freshness, "identity"),
    (freshness.Freshness, "state"),
    (ledger, "parse"),
    (ledger, "made"),
    (resolve.Resolver, "shown"),
    (resolve.Resolver, "_measured"),
    (excerpts, "symbol_lines"),
    (bindings, "read"),
]


class Entry(dict[str, Any]):
    """What an entry of an index says of itself; counts how often it is looked into."""

    looked = 0

    def __getitem__(self, name: str) -> Any:
        Entry.looked += 1
        return super().__getitem__(name)


@contextlib.contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, counted: list[tuple[Any, str]] = COUNTED) -> Iterator[Counter[str]]:
    """How often each of these functions is called inside."""
    calls: Counter[str] = Counter()

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **options)

        return wrapper

    with monkeypatch.context() as patch:
        for owner, name in counted:
            patch.setattr(owner, name, wrapped(f"{getattr(owner, '__name__', owner)}.{name}", getattr(owner, name)))
        yield calls


@lru_cache(maxsize=1)
def folder(base: Path) -> Callable[[int, int], Project]:
    """Projects with refreshed prose, each made once."""

    @lru_cache(maxsize=8)
    def made(points: int, count: int) -> Project:
        root = base / f"{points}-{count}"
        root.mkdir()
        with contextlib.redirect_stderr(io.StringIO()):
            refresh(wide.create(root, points, count).post("wide"))
        return Project(root)

    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Callable[[int, int], Project]:
    return folder(tmp_path_factory.mktemp("wide"))


def uncached(root: Path) -> Project:
    project = Project(root)
    shutil.rmtree(project.cache.folder, ignore_errors=True)
    return project


def work(monkeypatch: pytest.MonkeyPatch, root: Path) -> Counter[str]:
    """Calls of one check without any cache."""
    once = uncached(root)
    with counting(monkeypatch) as calls:
        assert check_all(once) == []
    return calls


def test_a_check_does_twice_the_work_for_twice_the_bindings_and_rows(project, monkeypatch):
    small, large = (work(monkeypatch, project(n, n).root) for n in (20, 40))
    assert sum(small.values()) > 1000, "something is counted"
    for name, calls in large.items():
        assert calls <= 2.1 * small[name] + 8, name


def test_more_bindings_of_the_same_rows_cost_no_second_look_at_them(project, monkeypatch):
    few, many = (work(monkeypatch, project(20, count).root) for count in (20, 80))
    for name in (
        "lockstep.judge.freshness.identity",
        "Freshness.state",
        "lockstep.record.ledger.parse",
        "Resolver.shown",
    ):
        assert 0 < many[name] <= few[name] + 8, name


def test_a_selection_looks_at_each_entry_once_however_many_are_made():
    entries = [(n, Entry(point=n // 10, seed=n % 10)) for n in range(1000)]
    index = Index(entries)
    Entry.looked = 0
    for point in range(100):
        assert list(index.matching({"point": str(point)})) == list(range(10 * point, 10 * point + 10))
    assert Entry.looked == 1000
    assert list(index.matching({"seed": 3, "point": 7})) == [73]
    assert Entry.looked == 3000, "once more, two names of each entry, for another set of names"
    for selection in ({"point": 100}, {"other": 1}, {"point": 3, "other": 1}):
        assert list(index.matching(selection)) == []


def test_reported_values_are_found_without_a_walk_through_all():
    reported = [Reported("score", float(n), "Table 1", "someone", keys=Entry(row=n)) for n in range(300)]
    paper = Paper(reported=reported)
    Entry.looked = 0
    assert [paper.find("score", {"row": n}).value for n in range(300)] == list(range(300))
    assert Entry.looked == 300


def test_what_a_binding_shows_is_worked_out_once_for_refresh_check_and_rendering(project, monkeypatch):
    made = project(20, 20)
    prose = made.root / "content/wide/index.md"
    text = prose.read_text()
    prose.write_text(re.sub(r"\[[^\[\]]*\]\(measured:", "[](measured:", text))
    once = uncached(made.root)
    post = once.post("wide")
    with counting(monkeypatch, [(Resolver, "_measured")]) as calls, contextlib.redirect_stderr(io.StringIO()):
        refresh(post)
        assert calls["Resolver._measured"] == 20
        assert check_all(once) == []
        page = Page("wide", post, None)  # type: ignore[arg-type]
        for binding in bindings.read(prose, "index.md").bindings:
            if binding.kind == "measured":
                page.resolve(binding.kind, binding.target, binding.text)
    assert calls["Resolver._measured"] == 20
    assert prose.read_text() == text


def test_a_new_run_changes_what_bindings_show(project):
    """The negative control of answers that are kept: they go with the ledger that they came from."""
    made = Project(project(20, 20).root)
    post = made.post("wide")
    before = Resolver.of(post).resolve("measured", "score?point=3", "")
    post.forget()
    assert Resolver.of(post).resolve("measured", "score?point=3", "") == before
    path = post.results / "work.jsonl"
    kept = path.read_bytes()
    try:
        path.write_bytes(b"\n".join(line for line in kept.split(b"\n") if b'"point":3,"seed":1}' not in line))
        post.forget()
        with pytest.raises(measured.QueryError, match="incomplete"):
            Resolver.of(post).resolve("measured", "score?point=3", "")
    finally:
        path.write_bytes(kept)


def test_recording_a_run_parses_no_line_that_it_knows(project, tmp_path, monkeypatch):
    post = Project(project(20, 20).root).post("wide")
    lines = list(Freshness.of(post).post.ledger.lines.values())
    explained = post.ledger.provenance(lines[0])
    ledger._known.cache_clear()
    for line in lines[:150]:
        ledger.record(tmp_path, line, explained, b"")
    with counting(monkeypatch, [(ledger, "parsed")]) as calls:
        for line in lines[150:]:
            ledger.record(tmp_path, line, explained, b"")
    assert 0 < calls["lockstep.record.ledger.parsed"] <= len(lines) - 150
    assert (tmp_path / "work.jsonl").read_bytes() == (post.results / "work.jsonl").read_bytes()
