"""Bindings are found where Markdown renders them, and refreshed without touching anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lockstep.prose.bindings import Binding, parse, refresh, sentence

HEAD = "Title: A\nSummary: It is [1](measured:a).\n\n"
UNTOUCHED = [
    "`[1](measured:a)`",
    "``[1](measured:a) ` ``",
    "```\n[1](measured:a)\n```",
    "~~~ python\n[1](measured:a)\n~~~",
    "words\n\n    [1](measured:a)\n\nwords",
    "$x [1](measured:a)$",
    "$$\n[1](measured:a)\n$$",
    r"\[1](measured:a)",
    "<!-- [1](measured:a) -->",
    "<div>\n[1](measured:a)\n</div>",
    '<span title="[1](measured:a)">x</span>',
    "[1](http://measured:a)",
    "[1][measured:a]",
    "# [1](measured:a)",
    "[1](measured:a)\n=====",
]
FOUND = [
    "[1](measured:a)",
    "a **[1](measured:a)** b",
    "- one\n- [1](measured:a)\n\n    and [1](measured:a)",
    "| a | b |\n|---|---|\n| [1](measured:a) | c |",
    "costs $5, then [1](measured:a), then $6",
    "*[1](measured:a)*",
    "[1](measured:a?x=1&y=2)",
    "> [1](measured:a)",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_code_math_html_and_escaped_text_are_left_alone(text):
    source = f"{HEAD}{text}\n"
    assert refresh(source, lambda binding: "9") == source.replace("It is [1]", "It is [9]")


@pytest.mark.parametrize("text", FOUND)
def test_value_bindings_are_refreshed_wherever_they_work(text):
    source = f"{HEAD}{text}\n"
    assert refresh(source, lambda binding: "9 ± 1") == source.replace("[1]", "[9 ± 1]")


def test_the_texts_of_claims_and_given_numbers_are_their_authors():
    source = HEAD + '[so](claim:b), [10 %](given: "ten (of a hundred)"), [The table.](table:t)\n'
    assert refresh(source, lambda binding: "9").endswith(source[len(HEAD) :])
    given_ = next(binding for binding in parse(source).bindings if binding.kind == "given")
    assert given_.target == "ten (of a hundred)"


def test_places_are_told():
    source = (
        "Title: [1](measured:a)\n\n# [1](measured:b)\n\n<b>x</b> [2](measured:c)\n\n[T](table:d)\n\nx [T](table:e)\n"
    )
    found = {binding.target: (binding.line, binding.place, binding.alone) for binding in parse(source).bindings}
    assert found == {
        "a": (1, "metadata:title", False),
        "b": (3, "heading", False),
        "c": (5, "body", False),
        "d": (7, "body", True),
        "e": (9, "body", False),
    }


def test_nested_bindings_are_told():
    nested = [b for b in parse("x [a [1](measured:b) c](claim:d)\n").bindings if b.nested]
    assert [b.target for b in nested] == ["b"]


WORDS = st.text(alphabet="ab [](){}`$<>*_#\\\n-|=:!&", max_size=40)


@given(
    st.lists(st.one_of(WORDS, st.sampled_from(UNTOUCHED + FOUND)), max_size=6), st.text("0123456789 ±.%", min_size=1)
)
def test_refreshing_twice_is_refreshing_once_and_keeps_everything_else(parts, value):
    def text_of(binding: Binding) -> str:
        return value

    source = HEAD + "\n\n".join(parts)
    once = refresh(source, text_of)
    assert refresh(once, text_of) == once
    values = [
        b
        for b in parse(source).bindings
        if b.kind == "measured" and b.place in ("body", "metadata:summary") and not b.nested
    ]
    rest = list(source)
    for binding in reversed(values):
        rest[binding.start : binding.end] = list(value)
    assert "".join(rest) == once


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Title: A\nSummary: It has [1](measured:m). More.\n\nBody.\n", "It has 1."),
        ("A line. It has [1](measured:m), and\n[2](config:c) of it. More.\n", "It has 1, and 2 of it."),
        ("- one\n- it has [1](measured:m)\n- three\n", "it has 1"),
        ("See [@a2014]. **Bold.** It has [1](measured:m); [so](claim:c).\n", "It has 1; so."),
        ("A value of 3.5 and [1](measured:m) more\n\nNext.\n", "A value of 3.5 and 1 more"),
    ],
)
def test_the_sentence_of_a_binding_is_whole_and_has_no_links(source, expected):
    prose = parse(source)
    held = next(binding for binding in prose.bindings if binding.kind == "measured")
    assert sentence(prose, held) == expected
