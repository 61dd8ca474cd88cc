"""How heavy a page is: elements, which every reader's machine lays out, and bytes on the wire."""

import re
from pathlib import Path

from lockstep.site.highlighting import STYLED
from webpages import Elements, compressed, every_page, file_of, nothing_in

ELEMENTS, BYTES = 4000, 32 * 1024
LONG = {
    "transformer/": 50 * 1024,
    "fraud/": 36 * 1024,
    "recommender/": 45 * 1024,
}  # a post of an hour with a hundred numbers in tables: half of it is their provenance
STYLE = Path(__file__).parents[2] / "theme/static/css/site.css"


def test_no_page_is_heavier_than_it_may_be(output):
    heavy = {}
    for name in every_page(output):
        text = file_of(output, name).read_text()
        elements, size = len(Elements(text).found), compressed(text.encode())
        heavy[f"/{name}"] = [f"{elements} elements"] if elements > ELEMENTS else []
        heavy[f"/{name}"] += [f"{size} bytes"] if size > LONG.get(name, BYTES) else []
    assert len(heavy) > 20
    nothing_in(heavy)


def test_code_has_an_element_for_what_is_coloured_and_for_nothing_else(output):
    style = STYLE.read_text()
    assert set(re.findall(r"\.highlight \.(\w+)", style)) == STYLED
    code = file_of(output, "gan/code/train.py/").read_text()
    shown = set(re.findall(r'<span class="(\w+)">', code[code.index('<pre class="highlight"') :]))
    assert shown <= STYLED
    assert {"k", "nf"} <= shown
