"""Numbers in prose that nothing binds: the lint that keeps a post from drifting by hand.

Flagged: decimals, percentages, multiples, numbers with a unit, and integers equal to a value that the page shows.
Passed: integers in names, years, shapes, ordinals, and numbers of sections, tables, figures and versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lockstep.bindings import CITATIONS, HEADER, IMAGE, LINK, TARGETS_OF_LINKS, Prose, items
from lockstep.errors import Problem

_WORDS = "twice|thrice|half|halves|halved|doubled?|doubles|tripled?|triples|(?:two|three|four|five|ten|hundred)-?fold"
_UNITS = (
    "nats?|bits?|ms|s|seconds?|minutes?|min|hours?|h|days?|KB|MB|GB|TB|KiB|MiB|GiB|FLOPs?|GFLOPs?|TFLOPs?|Hz|kHz|GHz"
    "|W|kW|J|€|\\$|USD|EUR|points?|pp|dB|epochs|updates|parameters"
)
_NUMBER = r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
_REFERENCE = re.compile(
    r"\b(?:sections?|sec\.|§|tables?|figures?|fig\.|equations?|eq\.|chapters?|versions?|v|Python|CC BY|appendix"
    r"|algorithm)[ \u00a0]?[A-Z]?\d[\d.]*(?:(?:, | and | or | to |–)\d[\d.]*)*",
    re.IGNORECASE,
)
_FLAGGED = [
    (re.compile(rf"(?<![\w.])[−-]?{_NUMBER}[ \u00a0]?(?:%|percent\b|per cent\b)"), "a percentage"),
    (re.compile(rf"(?<![\w.])[−-]?{_NUMBER}[ \u00a0]?(?:×(?![ \u00a0]?\d)|times\b)"), "a multiple"),
    (re.compile(rf"(?<![\w.−-]){_NUMBER}[ \u00a0](?:{_UNITS})(?!\w)"), "a number with a unit"),
    (re.compile(r"(?<![\w.])[−-]?\d[\d,]*\.\d+(?![\w.]*\w\()"), "a decimal"),
    (re.compile(rf"\b(?:{_WORDS})\b", re.IGNORECASE), "a multiple in words"),
]
_INTEGER = re.compile(r"(?<![\w.×/–-])\d[\d,]*(?![\w×/–-]|\.\d)")


def unbound(prose: Prose, shown: Iterable[str], file: str) -> Iterator[Problem]:
    """A problem for every unbound number. `shown` are the texts that the page's bindings show."""
    text = _plain(prose)
    taken: set[int] = set()
    for pattern, what in _FLAGGED:
        for match in pattern.finditer(text):
            if taken.isdisjoint(range(*match.span())):
                taken.update(range(*match.span()))
                yield _problem(prose, match, what, file)
    values = {value for value in (_integer_in(t) for t in shown) if value and len(value) > 1}
    for match in _INTEGER.finditer(text):
        if match[0].replace(",", "") in values and taken.isdisjoint(range(*match.span())):
            yield _problem(prose, match, "an integer that a binding of this page shows", file)


def _problem(prose: Prose, match: re.Match[str], what: str, file: str) -> Problem:
    way_out = f'bind it, or give its reason: [{match[0]}](given: "…")'
    return Problem(file, prose.line_of(match.start()), f'"{match[0]}" is {what} that nothing binds: {way_out}')


def _integer_in(text: str) -> str:
    match = re.match(r"[\d,]+(?![\d.,])", text)
    return match[0].replace(",", "") if match else ""


def _plain(prose: Prose) -> str:
    """The text that a reader reads: bindings, link targets, citations and references blanked, at the same length."""
    text = prose.masked.replace("\x01", " ")
    header = text[: prose.body].split("\n")
    keep = {number - 1 for name in HEADER for number, _ in items(prose, name.removeprefix("metadata:"))}
    lines = [line if i in keep else " " * len(line) for i, line in enumerate(header)]
    text = "\n".join(lines) + text[prose.body :]
    for pattern in (LINK, IMAGE, CITATIONS, TARGETS_OF_LINKS, _REFERENCE):
        text = pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    return text
