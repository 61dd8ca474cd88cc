"""What stands in titles, captions, cells, citations and alternative texts comes out as text, none of it as markup."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from mini import edit, lockstep
from portfolio import dressed
from webpages import every_page, nothing_in, opened, served


def hostile(place: str) -> str:
    """Ends an attribute, a `data` element, and a script, and opens what would run."""
    return f"{place}\"'></data></script><script>alert(/{place}/)</script><img src=x onerror=alert(/{place}/)>"


PLACES = {
    "title": ("content/mini/index.md", "Title: Mini", "Title: {}"),
    "tag": ("content/mini/index.md", "Date: 2026-01-02", "Date: 2026-01-02\nTags: {}"),
    "metric": ("code/posts/mini/experiment.py", 'title="score"', "title={!r}"),
    "claim": ("code/posts/mini/experiment.py", '"""Scores are above zero."""', "{!r}"),
    "cell": ("code/posts/mini/experiment.py", '"what": "ours"', '"what": {!r}'),
    "column": ("code/posts/mini/experiment.py", '"what": "theirs"', '"what": "theirs", {!r}: "x"'),
    "where": ("content/mini/paper.toml", 'where = "Table 1"', "where = {json}"),
    "setting": ("content/mini/paper.toml", 'value = 2.0\nwhere = "section 3"', "value = 2.0\nwhere = {json}"),
    "given": ("content/mini/index.md", '(given: "one of two")', '(given: "{unquoted}")'),
    "author": ("content/references.bib", "Someone, Ann", "{}, Ann"),
    "work": ("content/references.bib", "A Title", "{}"),
    "code": ("code/posts/mini/layers.py", "bias = 0.5", "bias = 0.5\n    note = {!r}"),
    "alt": ("content/mini/index.md", "A plot of x", "{}"),
    "caption": ("content/mini/index.md", "The scores.", "{}"),
    "about": ("content/pages/about.md", "Title: About", "Title: {}"),
    "name": ("site.toml", 'name = "In lockstep"', "name = {json}"),
    "description": ("site.toml", 'description = "Machine', "description = {json} # "),
}
MORE = """
See [@someone2014].

![A plot of x](figures/plot.svg)

*How x goes.*

[The net.](code:layers.py#Net)
"""
PLOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50" viewBox="0 0 100 50"><path d="M0 0L100 50"/></svg>'
)


def written(root: Path, places: list[str]) -> Path:
    """A small project with the site's settings and theme, hostile in these places, and built."""
    dressed(root)
    edit(
        root,
        "code/posts/mini/evaluate.py",
        "def total(run):\n",
        f"def total(run):\n    run.figure('plot.svg').write_text({PLOT!r})\n",
    )
    with (root / "content/mini/index.md").open("a") as file:
        file.write(MORE)
    for place in places:
        name, old, new = PLACES[place]
        text = hostile(place)
        forms = {
            "{!r}": repr(text),
            "{json}": json.dumps(text),
            "{unquoted}": text.translate({34: "", 39: ""}),
            "{}": text,
        }
        for form, shown in forms.items():
            new = new.replace(form, shown)
        edit(root, name, old, new)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = written(tmp_path_factory.mktemp("hostile"), list(PLACES))
    done = lockstep(root, "build")
    assert done.returncode == 0, done.stderr + done.stdout
    return root


# Elements that only the hostile texts would have made.
MADE = """() => {
    const inline = (e) => e.localName === "script" && !e.src && !/json|rules/.test(e.type);
    const picture = (e) => e.localName === "img" && e.getAttribute("src") === "x";
    const handler = (e) => [...e.attributes].some((a) => a.name.startsWith("on"));
    return [...document.querySelectorAll("*")].filter((e) => inline(e) || picture(e) || handler(e))
        .map((e) => e.outerHTML.slice(0, 120));
}"""
SHOWN = """() => [document.title, document.body.textContent,
    ...[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].map((a) => a.value))].join("\\n")"""


@pytest.fixture(scope="module")
def seen(browser, project) -> tuple[dict[str, list[str]], str]:
    """What went wrong on each page of that project, with scripts allowed, and all that its pages say."""
    made, shown = {}, ""
    with served(project / "output") as address:
        for name in every_page(project / "output"):
            with opened(browser, address, name, bypass_csp=True) as (page, watch):
                watch.settle()
                made[f"/{name}"] = watch.problems + page.evaluate(MADE)
                shown += page.evaluate(SHOWN)
    return made, shown


def test_hostile_texts_come_out_as_text_on_every_page(seen):
    nothing_in(seen[0])


def test_every_hostile_text_is_on_a_page(seen):
    """Or the other tests here do not test it."""
    assert [place for place in PLACES if f"<script>alert(/{place}/)" not in seen[1]] == []


def test_hostile_texts_come_out_as_text_in_the_search(browser, project):
    with served(project / "output") as address, opened(browser, address, bypass_csp=True) as (page, watch):
        page.keyboard.press("/")
        page.locator("dialog[open] input").fill("score")
        page.locator("dialog[open] a").first.wait_for()
        assert watch.problems + page.evaluate(MADE) == []
        assert "alert(/" in page.locator("dialog[open]").inner_text()


def test_hostile_texts_come_out_as_text_in_the_feed(browser, project):
    code = "from lockstep.project import Project; from lockstep.site.generate import generate; "
    code += "generate(Project.find(), 'publishconf.py')"
    done = lockstep(project, code=code, LOCKSTEP_OUTPUT=str(project / "published"))
    assert done.returncode == 0, done.stderr
    feed = ElementTree.parse(project / "published/feed.atom").getroot()
    texts = [one.text or "" for one in feed.iter() if one.get("type") == "html"]
    assert any("alert(" in text for text in texts)
    with opened(browser, "about:blank") as (page, watch):
        page.set_content("<main></main>" + "\n".join(texts), wait_until="load")
        assert [problem for problem in watch.problems if problem.startswith("dialog")] == []
        assert page.evaluate(MADE) == []


def test_the_measure_sees_what_is_not_escaped(browser, project):
    with served(project / "output") as address, opened(browser, address, bypass_csp=True) as (page, watch):
        before = page.evaluate(MADE)
        with page.expect_event("dialog"):
            page.evaluate("(html) => { document.body.insertAdjacentHTML('beforeend', html); }", hostile("control"))
        assert len(page.evaluate(MADE)) > len(before)
        assert "dialog: /control/" in watch.problems
