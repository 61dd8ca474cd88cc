"""What the engine answers is what it says that it answers, and no partial of the theme asks for more."""

import typing
from pathlib import Path

import pytest
from jinja2 import Environment, meta
from lockstep.project.project import Project
from lockstep.prose import bindings
from lockstep.prose.answers import ADDED, ANSWERS, Drawn
from lockstep.prose.resolve import KINDS, Resolver
from lockstep.record.cache import BINDINGS

ROOT = Path(__file__).parents[2]


def declared(kind: str) -> set[str]:
    return set(typing.get_type_hints(ANSWERS[kind]))


def answers() -> dict[str, list[dict]]:
    """What each binding of the post gan answers, by kind."""
    post = Project(ROOT).post("gan")
    resolver, found = Resolver.of(post), {}
    for each in bindings.parse(post.prose.read_text(encoding="utf-8")).bindings:
        found.setdefault(each.kind, []).append(resolver.resolve(each.kind, each.target, each.text))
    return found


def test_each_kind_answers_the_fields_that_are_declared():
    found = answers()
    assert set(found) == set(ANSWERS) == set(KINDS)
    for kind, shown in found.items():
        drawn = set(typing.get_type_hints(Drawn)) if kind == "figure" else set()
        for fields in shown:
            assert fields.keys() - {"kind", "text"} in (declared(kind) - {"text"}, (declared(kind) | drawn) - {"text"})


@pytest.mark.parametrize("place", [f"{folder}{kind}" for kind in ANSWERS for folder in ("", "provenance/")])
def test_a_partial_asks_for_nothing_that_nobody_gives(place):
    kind, path = place.rpartition("/")[2], BINDINGS / f"{place}.html"
    if not path.exists():
        assert place.startswith("provenance/") and kind in ("table", "code", "demo")  # which no pop-over explains
        return
    given = declared(kind) | ADDED | {"kind", "text"}
    given |= set(typing.get_type_hints(Drawn)) if kind == "figure" else set()
    assert meta.find_undeclared_variables(Environment(autoescape=True).parse(path.read_text())) <= given
