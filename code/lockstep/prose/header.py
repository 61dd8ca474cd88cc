"""What a post's header says beside title, date and summary: its headline numbers, its thumbnail, its skills.

Headline: [8.61 ± 0.12 %](measured:test_error) of test images misread       one or two, each begins with a value
    [8.75 %](reported:test_error) published
Thumbnail: figures/errors.svg                                               else the first figure of the page
Skills: statistics: claim:plain_degrades, table:errors, #results            a skill and where the post shows it
    PyTorch: code:model.py#BasicBlock

A continuation line is indented by four spaces. Headlines are bindings like any other: refreshed, checked and linted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from lockstep.errors import LockstepError, Problem, QueryError, nearest
from lockstep.project.post import Post
from lockstep.prose.addresses import wrong_picture
from lockstep.prose.bindings import VALUES, Prose, items
from lockstep.prose.passages import Binding, Passage
from lockstep.prose.resolve import Resolver

KINDS = ("paper", "capstone", "design")
HEADLINES = 2
WORDS_A_MINUTE = 220
TARGETS = ("claim", "code", "table")
READ = ("body", "note", "heading", "caption", "claim")
_WORD = re.compile(r"\w[\w.,'’-]*")
_DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)


@dataclass(frozen=True)
class Headline:
    """A number and the words after it, as plain text."""

    value: str
    words: str


@dataclass(frozen=True)
class Skill:
    """A skill that the post gives evidence of: targets are `#section` or (`claim:`, `code:`, `table:`) and a name."""

    name: str
    targets: tuple[str, ...]
    line: int


def headlines(prose: Prose) -> list[Headline]:
    """The headline numbers as the source has them."""
    return [_headline(tokens) for _, tokens in prose.header.get("headline", [])]


def _headline(tokens: Sequence[Token]) -> Headline:
    binding: Binding | None = tokens[0].meta.get("binding") if tokens else None
    if binding is None or binding.kind not in VALUES:
        raise QueryError("a headline begins with a number that is bound: [](measured:…) and a few words")
    end = next(number for number, token in enumerate(tokens) if token.type == "link_close")
    words = "".join(token.content for token in tokens[end:]).strip()
    if not words:
        raise QueryError("a headline says in a few words what its number is: [](measured:…) of test images misread")
    return Headline(binding.text, words)


def skills(prose: Prose) -> list[Skill]:
    """Raises QueryError for a line that is none."""
    return [_skill(number, text) for number, text in items(prose, "skills")]


def _skill(number: int, text: str) -> Skill:
    name, colon, rest = text.partition(":")
    targets = tuple(target.strip() for target in rest.split(",") if target.strip())
    if not name.strip() or not colon or not targets:
        raise QueryError(f'"{text}" names no skill: write its name, a colon, and where the post shows it')
    return Skill(name.strip(), targets, number)


def thumbnail(prose: Prose) -> str:
    """The place of the figure that stands for the post; its first one where the header names none."""
    if found := items(prose, "thumbnail"):
        return found[0][1]
    figures = (b for b in prose.bindings if b.kind == "figure" and b.target.startswith("figures/") and b.alone)
    return next((b.target for b in figures), "")


def evidence(resolver: Resolver, target: str) -> dict[str, str]:
    """Kind and text of a target, and a claim's verdict. The text of a section is known where the page is rendered.

    Raises QueryError for one that is not there, a claim that does not hold, code that no fresh run covers.
    """
    if target.startswith("#"):
        return {"kind": "section", "text": target}
    kind, colon, name = target.partition(":")
    if not colon or kind not in TARGETS:
        expected = "#section, claim:name, code:file.py#Symbol or table:name"
        raise QueryError(f'"{target}" is no evidence of a skill: expected {expected}')
    if kind == "table" and name not in (tables := resolver.freshness.experiment.tables):
        raise QueryError(f'there is no table "{name}"{nearest(name, tables)}')
    if kind == "table":
        return {"kind": kind, "text": name.replace("_", " ")}
    fields = resolver.resolve(kind, name, target)
    if kind == "claim":
        return {"kind": kind, "text": fields["statement"].rstrip("."), "verdict": fields["verdict"]}
    return {"kind": kind, "text": f"{name.partition('#')[0]} · {fields['symbol']}", "first": str(fields["first"])}


def problems(post: Post, prose: Prose, file: str) -> Iterator[Problem]:
    """Everything in these lines that is not so. Anchors of sections are compared where the page is rendered."""
    kind, line = prose.metadata.get("category", (KINDS[0], 1))
    if kind not in KINDS:
        yield Problem(file, line, f'"{kind}" is no kind of post{nearest(kind, KINDS)}')
    resolver = Resolver.of(post)
    for position, (line, tokens) in enumerate(prose.header.get("headline", [])):
        if position == HEADLINES:
            yield Problem(file, line, f"a post has at most {HEADLINES} headline numbers")
        yield from _failing(file, line, lambda tokens=tokens: _headline(tokens))
        yield from _repeated(prose, file, line, tokens)
    for line, place in items(prose, "thumbnail"):
        if told := wrong_picture(place):
            yield Problem(file, line, told)
            continue
        yield from _failing(file, line, lambda place=place: resolver.resolve("figure", place, "thumbnail"))
    for line, text in items(prose, "skills"):
        yield from _failing(file, line, lambda line=line, text=text: _shown(resolver, _skill(line, text)))


def _repeated(prose: Prose, file: str, line: int, tokens: Sequence[Token]) -> Iterator[Problem]:
    """A number of a headline that the summary, which stands beside it on the card, tells again."""
    told = {binding.target for _, entry in prose.header.get("summary", []) for binding in _values(entry)}
    for binding in _values(tokens):
        if binding.target in told:
            yield Problem(file, line, f'the summary has "{binding.text}" as well: a card tells a number once')


def _values(tokens: Sequence[Token]) -> list[Binding]:
    found = [token.meta.get("binding") for token in tokens if token.type == "link_open"]
    return [binding for binding in found if binding is not None and binding.kind in VALUES]


def _shown(resolver: Resolver, skill: Skill) -> list[dict[str, str]]:
    return [evidence(resolver, target) for target in skill.targets]


def _failing(file: str, line: int, look: Callable[[], object]) -> Iterator[Problem]:
    try:
        look()
    except LockstepError as error:
        yield Problem(file, line, str(error))


def minutes(prose: Prose) -> int:
    """Time to read the prose, at least one minute: its words, bindings as their text; code, math, figures left out.

    What is folded is left out, too: it is read by whoever opens it.
    """
    folds = list(_folds(prose))
    passages = [passage for passage in prose.passages if passage.place in READ and not _within(passage, folds)]
    text = " ".join("".join(_word_by_word(passage)) for passage in passages)
    return max(1, round(len(_WORD.findall(text)) / WORDS_A_MINUTE))


def _folds(prose: Prose) -> Iterator[tuple[int, int]]:
    """Where in the source a `<details>` that is in no other begins and ends; one that nothing closes folds nothing."""
    begun: list[int] = []
    for raw in sorted(prose.raw, key=lambda raw: raw.at):
        for tag in _DETAILS.finditer(raw.html):
            if not tag[1]:
                begun.append(raw.at + tag.start())
            elif begun:
                start = begun.pop()
                if not begun:
                    yield start, raw.at + tag.start()


def _within(passage: Passage, folds: Sequence[tuple[int, int]]) -> bool:
    return any(start < part.at < end for part in passage.parts[:1] for start, end in folds)


def _word_by_word(passage: Passage) -> Iterator[str]:
    for part in passage.parts:
        yield part.text if part.kind in ("text", "bound") else "\n" if part.kind == "break" else ""
