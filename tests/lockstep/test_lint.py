"""What counts as a number that must be bound, as a table of cases on both sides; and that the lint is linear."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep.prose.bindings import parse
from lockstep.prose.lint import unbound
from lockstep.prose.mistakes import mistakes
from lockstep.prose.numbers import WINDOW, quantities

FLAGGED = [  # text, and what of it is a number that something must bind
    ("It reads 96 % of them.", "96 %"),
    ("It reads 96\u202f% of them.", "96 %"),
    ("It reads 96\u2009% of them.", "96 %"),
    ("It reads 96&nbsp;% of them.", "96 %"),
    ("It reads 96&thinsp;% of them.", "96 %"),
    ("It reads 96&#8239;% of them.", "96 %"),
    ("It reads **96** % of them.", "96 %"),
    ("It reads 96<b>%</b> of them.", "96%"),
    ("It reads 96\n% of them.", "96 %"),
    ("It reads 96 percent, or 96 per cent.", "96 percent"),
    ("It gains 2 percentage points.", "2 percentage points"),
    ("It gains two percentage points.", "two percentage points"),
    ("It reads ninety-six percent.", "ninety-six percent"),
    ("One in a thousand is 1 ‰.", "1 ‰"),
    ("A rate of 0,35 is high.", "0,35"),
    ("A rate of 0.35 is high.", "0.35"),
    ("A rate of .35 is high.", ".35"),
    ("A rate of −0.35 is low.", "−0.35"),
    ("A loss of 1,234.5 is high.", "1,234.5"),
    ("The rate is 3e-4.", "3e-4"),
    ("The rate is 3×10⁻⁴.", "3×10⁻⁴"),
    ("The rate is 3 × 10^-4.", "3 × 10^-4"),
    ("The rate is 10⁻⁴.", "10⁻⁴"),
    ("There are 2^20 of them.", "2^20"),
    ("It takes ½ of it.", "½"),
    ("It takes 1½ of it.", "1½"),
    ("It takes 3/4 of it.", "3/4"),
    ("It takes 3⁄4 of it.", "3⁄4"),
    ("It is 2x faster.", "2x"),
    ("It is 2× faster.", "2×"),
    ("It is 2 × faster.", "2 ×"),
    ("It is 3 times as fast.", "3 times"),
    ("A 10-fold gain.", "10-fold"),
    ("A twofold gain, and a ten-fold loss.", "twofold"),
    ("It takes two thirds of it.", "two thirds"),
    ("It takes two-thirds of it.", "two-thirds"),
    ("It takes three quarters of it.", "three quarters"),
    ("It takes a third of the time.", "a third"),
    ("It takes three times as long.", "three times"),
    ("It takes twenty-five times as long.", "twenty-five times"),
    ("It takes twice as long.", "twice"),
    ("It takes half the time.", "half"),
    ("It takes half as long.", "half"),
    ("One half of them fail.", "One half"),
    ("It halved the error.", "halved"),
    ("It halves the error.", "halves"),
    ("It doubles the cost.", "doubles"),
    ("It has double the cost.", "double"),
    ("The cost has tripled.", "tripled"),
    ("It is two orders of magnitude slower.", "two orders of magnitude"),
    ("It is an order of magnitude slower.", "an order of magnitude"),
    ("It reaches 225 ± 2 there.", "225 ± 2"),
    ("It reaches 225 ± 2 nats there.", "225 ± 2 nats"),
    ("The spread is ± 2 there.", "2"),
    ("It takes 5ms.", "5ms"),
    ("It takes 5 ms.", "5 ms"),
    ("It takes 5 µs.", "5 µs"),
    ("It takes 12s in all.", "12s"),
    ("It needs 3GB.", "3GB"),
    ("It needs 2–3 GB.", "3 GB"),
    ("It has 3M parameters.", "3M"),
    ("It has 7B parameters.", "7B"),
    ("It has 3 million parameters.", "3 million"),
    ("It is 20 °C outside.", "20 °C"),
    ("It is 20°C outside.", "20°C"),
    ("It draws 500 images/s.", "500 images/s"),
    ("It draws 500 images per second.", "500 images per second"),
    ("It costs $5 a run.", "5"),
    ("It costs 5 € a run.", "5 €"),
    ("It trained for twelve hours.", "twelve hours"),
    ("See table 3, which has 5.2 in it.", "5.2"),
    ("As figures 3 and 5 % show.", "5 %"),
    ("Version 3 reads 0.35 of them.", "0.35"),
    ("## It reads 96 % of them", "96 %"),
    ("- a list\n- with 96 % in it", "96 %"),
    ("| a | b |\n|---|---|\n| c | 96 % |", "96 %"),
    ("> It reads 96 % of them.", "96 %"),
    ("![Bars at 96 % and below.](figures/a.svg)", "96 %"),
    ('[a page](https://example.org "96 % of it")', "96 %"),
    ("<div>It reads 96 % of them.</div>", "96 %"),
    ("So <abbr title='96 % of them'>most</abbr> do.", "96 %"),
    ("[Errors, at most 3.5 of them.](table:errors)", "3.5"),
    ("This is [twice as fast](claim:faster).", "twice"),
    ("It is so.[^n]\n\n[^n]: In 96 % of all cases.", "96 %"),
    ("Nine of them, that is 250, are shown as [250](config:size).", "250"),
]
PASSED = [
    "PyTorch 2.13 and CUDA 12.4 on Ubuntu 24.04, under Apache 2.0, over HTTP 1.1.",
    "Works on Python 3.11, 3.12 and 3.13.",
    "NumPy 2.2 or 2.3; version 0.16 of scikit-learn 1.9.1; C++17.",
    "It listens on 127.0.0.1, port 8080, since v2.1 and 2.13.1.",
    "See arXiv:1706.03762, arXiv 1512.03385v1, or doi:10.1145/3292500.3330701.",
    "On 10.06.2014, 10/06/2014 or 2014-06-10, at 10:30, in the 1990s and the 80s.",
    "Theorem 2.1, Lemma 3.4, equation 5.2, sections 3.1 and 3.2, Fig. 2.3, Appendix B.2.",
    "The proof of Proposition 2.1 is on page 5, line 3.",
    "Half-precision and half precision keep a half-open interval.",
    "The first half of the sentence, the other half, both halves and the second half.",
    "Think twice; once or twice differentiable; twice-differentiable.",
    "In double precision, a double-check of the double descent; in doubles, as triples.",
    "Successive halving is a search.",
    "The third layer, a second one, and a fifth try.",
    "Five seeds, ten candidates, 28×28 images, 3x3 kernels, 3 × 3 patches.",
    "CIFAR-10, ResNet-50, GPT-3.5, ResNet50, float16, int8, x86, A100, 8-bit, 2D, H2O.",
    "It came in 2014, in the years 2014–2020, or 2014/15; open 24/7.",
    "Of 1,000 or 1000 images, layers 1, 2 and 3, (3,4) and [0,1].",
    "At all times, many times, sometimes; the manifold; a quarter, a quartet.",
    "Read it in sixty seconds.",
    "A minute later, an hour or two, for days, percent, percentage points, per mille.",
    "The value `3.5` in code, $x = 3.5$ in a formula, and $$y = 96\\%$$ too.",
    'It has [3.5](measured:a) and [96 %](given: "why").',
    "Seen at https://example.org/2.5/96% and <https://example.org/3.5>.",
    "<!-- 96 % of it -->",
    "    96 % in a block of code",
    "See the guide[^1].\n\n[^1]: Chapter 3.5.",
    "IPv4, UTF-8, ISO 8601, RFC 2616, IEEE 754, WCAG 2.2, TLS 1.3, HTTP/1.1.",
    "Nine of them are [25](config:size), and 250 others.",
]


def found(text: str) -> list[str]:
    prose = parse(f"{text}\n")
    shown = [binding.text for binding in prose.bindings if binding.kind != "figure"]
    return [problem.message.split('"')[1] for problem in unbound(prose, shown, "a.md")]


@pytest.mark.parametrize(("text", "number"), FLAGGED)
def test_a_quantity_that_nothing_binds_is_flagged(text, number):
    assert number in found(text)


@pytest.mark.parametrize("text", PASSED)
def test_names_places_idioms_and_counts_pass(text):
    assert found(text) == []


@pytest.mark.parametrize(("text", "number"), FLAGGED)
def test_what_is_bound_or_is_code_is_not_flagged(text, number):
    """The negative control: the same number passes where its reason is given."""
    told = {problem.line for problem in unbound(parse(f'`{number}` ok [{number}](given: "so")\n'), [], "a.md")}
    assert told == set()


def test_each_problem_has_the_line_of_its_number():
    source = (
        "Title: A\nSummary: It has 1.5 and\n    2.5 too.\n\nOne\n3.5 and [1](measured:a) and\n*4.5*\n\n- x\n- 5.5\n"
    )
    assert [(p.line, p.message.split('"')[1]) for p in unbound(parse(source), [], "a.md")] == [
        *((2, "1.5"), (3, "2.5"), (6, "3.5"), (7, "4.5"), (10, "5.5"))
    ]


def test_the_way_out_is_one_that_works_there():
    ways = {
        problem.message.partition("binds: ")[2] for problem in unbound(parse("# 1.5\n\n![2.5](a.svg) 3.5\n"), [], "")
    }
    assert any(way.startswith("a heading binds nothing") for way in ways)
    assert any(way.startswith("an alternative text binds nothing") for way in ways)
    assert 'bind it, or give its reason: [3.5](given: "…")' in ways


SENTENCES = [text for text, _ in FLAGGED if text[0] not in "#-|>!<[" and "\n" not in text] + [
    text for text in PASSED if text[0] not in "<$ " and "\n" not in text
]
SENTENCES = [text for text in SENTENCES if "config:" not in text]  # what one of them shows, others must bind


@settings(deadline=None)
@given(st.lists(st.sampled_from(SENTENCES), max_size=30))
def test_a_line_has_the_quantities_of_its_sentences_and_no_others(sentences):
    assert sorted(found(" ".join(sentences))) == sorted(number for one in sentences for number in found(one))


@settings(deadline=None)
@given(
    st.sampled_from(SENTENCES), st.sampled_from(["word ", "one ", "[", "](", "1:", "a third-party ", "(", "figure "])
)
def test_what_is_far_away_changes_nothing_so_that_cost_is_linear(sentence, filler):
    """Together with one pass over the text, bounded looks to both sides are a linear cost."""
    far = filler * (2 * WINDOW)
    quiet = [quantity.what for quantity in quantities(f"{far}. {sentence} . {far}")]
    assert quiet == [quantity.what for quantity in quantities(sentence)]


@pytest.mark.parametrize(
    "part", ["](", "[a](", "[", "1 ± ", "a third ", "section 1, ", "`", "$$", "<!-- ", "&", "two hundred "]
)
def test_a_line_of_many_thousand_marks_is_read_to_its_end(part):
    """Where cost grew with the square of the length, each of these took minutes."""
    source = part * (40_000 // len(part)) + " at 1.5"
    told = list(mistakes(parse(source), "a.md")) + [
        one for one in unbound(parse(source), [], "a.md") if "1.5" in one.message
    ]
    assert told
