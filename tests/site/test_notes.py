"""Side notes, folded questions and formulas: plain Markdown in, what the page needs out."""

import re

import math_core
import pytest
from lockstep.errors import LockstepError
from lockstep.site.mathml import CLASSES, Math, classes
from lockstep.site.notes import Notes
from markdown import Markdown


def convert(text: str) -> str:
    return Markdown(extensions=["toc", Notes()]).convert(text)


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
    html = Markdown(extensions=["fenced_code", Notes()]).convert("`[^x]`\n\n```\n[^y]: z\n```\n")
    assert "<code>[^x]</code>" in html
    assert "[^y]: z" in html


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A[^nmae].\n\n[^name]: t\n", 'the note "nmae" has no text'),
        ("A.\n\n[^name]: t\n", 'nothing refers to the note "name"'),
        ("A[^n] B[^n].\n\n[^n]: t\n", 'the note "n" stands twice'),
        ("A[^n].\n\n[^n]: t\n[^n]: u\n", 'the note "n" has two texts'),
    ],
)
def test_a_note_without_its_other_half_is_an_error(text, message):
    with pytest.raises(LockstepError, match=re.escape(message)):
        convert(text)


def test_notes_of_one_document_do_not_reach_the_next():
    md = Markdown(extensions=[Notes()])
    md.convert("A[^n].\n\n[^n]: t\n")
    md.reset()
    assert "<p>B.</p>" in md.convert("B.")


def test_questions_fold_and_stay_out_of_the_contents():
    md = Markdown(extensions=["toc", Notes()])
    html = md.convert(
        "## Why\n\n### Part\n\ntext\n\n## Questions and answers\n\n### How?\n\nSo.\n\n- a\n\n### When?\n\nNow.\n"
    )
    assert '<details class="answer" id="how"><summary>How?</summary>\n<p>So.</p>\n<ul>' in html
    assert html.count("<details") == 2
    assert '<h3 id="part">Part</h3>' in html
    assert "How?" not in md.toc


def test_a_formula_carries_no_inline_style():
    formulas = [
        r"\sum_{i=1}^N (2\pi)^{-D/2}",
        r"\begin{cases}a&b\\c&d\end{cases}",
        r"\begin{aligned}a&=b\end{aligned}",
        r"\begin{array}{l|r}a&b\\\hline c&d\end{array}",
        r"\textcolor{blue}{x}",
    ]
    md = Markdown()
    assert any(" style=" in Math.converter.convert_with_local_state(formula, displaystyle=True) for formula in formulas)
    for formula in formulas:
        processor = Math(r"\$\$(.+?)\$\$", md, True)
        match = processor.compiled_re.search(f"$${formula}$$")
        processor.handleMatch(match, "")
        assert " style=" not in md.htmlStash.rawHtmlBlocks[-1]
    assert 'mathcolor="#0000FF"' in md.htmlStash.rawHtmlBlocks[-1]


def test_every_class_of_a_formula_is_in_the_stylesheet(pytestconfig):
    css = (pytestconfig.rootpath / "theme/static/css/site.css").read_text()
    for name in filter(None, CLASSES.values()):
        assert f".{name} {{" in css


def test_a_style_without_a_class_is_an_error():
    with pytest.raises(LockstepError, match='needs the style "position:fixed"'):
        classes("position:fixed", "x")


def test_an_unknown_command_is_an_error():
    with pytest.raises(math_core.LatexError):
        Math.converter.convert_with_local_state(r"\nosuchcommand", displaystyle=True)
