"""Side notes, folded questions and formulas: plain Markdown in, what the page needs out."""

import re
from pathlib import Path

import math_core
import pytest
from lockstep.errors import LockstepError
from lockstep.prose.bindings import parse
from lockstep.prose.mathml import CLASSES, classes, formula
from lockstep.prose.mistakes import mistakes
from lockstep.site.citations import Bibliography
from lockstep.site.markdown import Html, Page


def page(text: str) -> tuple[str, str]:
    """The text as a page shows it, and its contents."""
    html = Html(Page("mini", None, Bibliography(Path("none"), {})), str, "mini.md")
    return html.body(parse(text)), html.outline.html()


def convert(text: str) -> str:
    return page(text)[0]


def test_a_note_stands_where_it_is_referred_to_with_its_markup():
    html = convert("Before[^why] after.\n\nMore.\n\n[^why]: It *is*\n  so.\n")
    first, _, rest = html.partition("</p>")
    assert 'Before<span class="noted"><sup><a href="#note-why">1</a></sup>' in first
    assert 'id="note-why" role="note">1 It <em>is</em> so.</span></span> after.' in first
    assert "It" not in rest


def test_notes_are_numbered_in_the_order_of_the_text():
    html = convert("A[^b] B[^a]\n\n[^a]: first defined\n[^b]: second defined\n")
    assert re.findall(r'role="note">(\d) (\w+)', html) == [("1", "second"), ("2", "first")]


def test_a_note_in_code_is_code():
    html = convert("`[^x]`\n\n```\n[^y]: z\n```\n")
    assert "<code>[^x]</code>" in html
    assert "[^y]: z" in html


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A.\n\nB[^nmae].\n\n[^name]: t\n", 3, "the note [^nmae] has no text: write a line"),
        ("A.\n\n[^name]: t\n", 3, 'nothing refers to the note "name"'),
        ("A[^n]\nB[^n].\n\n[^n]: t\n", 2, 'the note "n" stands twice'),
        ("A[^n].\n\n[^n]: t\n[^n]: u\n", 4, 'the note "n" has two texts'),
        ("A[^n][^m].\n\n[^n]: t\n[^m]: see [^n]\n", 4, 'the note "n" stands twice'),
        ("A[^m].\n\n[^n]: t\n[^m]: see [^n]\n", 4, 'the note "n" stands in another note'),
        ("# A[^n]\n\n[^n]: t\n", 1, 'the note "n" stands in heading: its place is the text'),
    ],
)
def test_a_note_without_its_other_half_is_an_error(text, line, message):
    told = [(problem.line, problem.message) for problem in mistakes(parse(text), "a.md")]
    assert any(at == line and message in what for at, what in told), told


def test_notes_of_one_document_do_not_reach_the_next():
    convert("A[^n].\n\n[^n]: t\n")
    assert [problem.message[:30] for problem in mistakes(parse("B[^n].\n"), "")] == ["the note [^n] has no text: wri"]


def test_questions_fold_and_stay_out_of_the_contents():
    html, contents = page(
        "## Why\n\n### Part\n\ntext\n\n## Questions and answers\n\n### How?\n\nSo.\n\n- a\n\n### When?\n\nNow.\n"
    )
    assert '<details class="answer" id="how"><summary>How?</summary>\n<p>So.</p>\n<ul>' in html
    assert html.count("<details") == html.count("</details>") == 2
    assert '<h3 id="part">Part</h3>' in html
    assert "How?" not in contents
    assert '<ul>\n<li><a href="#part">Part</a></li>\n</ul>' in contents


def test_the_sixty_seconds_are_a_box_up_to_the_next_section():
    html = convert("## In sixty seconds\n\nSo.\n\n### And\n\nso on\n\n## Then\n\nMore.\n")
    box, _, rest = html.partition("</section>")
    assert box.startswith('<section class="sixty">\n<h2 id="in-sixty-seconds">In sixty seconds</h2>')
    assert "so on" in box
    assert "More." in rest


def test_two_headings_with_one_text_have_two_addresses():
    html, contents = page("## A\n\n## A\n\n## ?\n")
    assert re.findall(r'<h2 id="([^"]*)"', html) == re.findall(r'href="#([^"]*)"', contents) == ["a", "a_1", "_1"]


def test_a_formula_carries_no_inline_style():
    formulas = [
        r"\sum_{i=1}^N (2\pi)^{-D/2}",
        r"\begin{cases}a&b\\c&d\end{cases}",
        r"\begin{aligned}a&=b\end{aligned}",
        r"\begin{array}{l|r}a&b\\\hline c&d\end{array}",
        r"\textcolor{blue}{x}",
    ]
    plain = math_core.LatexToMathML(fancy_error=False)
    assert any(" style=" in plain.convert_with_local_state(one, displaystyle=True) for one in formulas)
    for one in formulas:
        html = convert(f"$${one}$$\n")
        assert "<math" in html
        assert " style=" not in html
    assert 'mathcolor="#0000FF"' in html


def test_every_class_of_a_formula_is_in_the_stylesheet(pytestconfig):
    css = (pytestconfig.rootpath / "theme/static/css/site.css").read_text()
    for name in filter(None, CLASSES.values()):
        assert f".{name} {{" in css


def test_a_style_without_a_class_is_an_error():
    with pytest.raises(LockstepError, match='needs the style "position:fixed"'):
        classes("position:fixed", "x")


def test_an_unknown_command_is_an_error_of_its_line():
    with pytest.raises(LockstepError, match="is not understood"):
        formula(r"\nosuchcommand", True)
    told = [(problem.line, problem.message) for problem in mistakes(parse("A.\n\nB\n$\\nosuchcommand$\n"), "a.md")]
    assert [line for line, _ in told] == [4]
