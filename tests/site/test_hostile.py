"""What stands in titles, captions, cells, citations and alternative texts comes out as text, none of it as markup; and
addresses that run, or that read what is not the post's, are refused."""

import json
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lockstep.prose.bindings import parse
from lockstep.prose.mistakes import mistakes
from lockstep.site.citations import Bibliography
from lockstep.site.markdown import Html, Page
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
REFUSED = {  # prose, what is said of it, and what the page would have had
    "angle brackets": ("[x](<javascript:alert(1)>)", 'begins with "javascript:"', "javascript:"),
    "an entity": ("[x](java&#115;cript:alert(1))", 'begins with "javascript:"', "javascript:"),
    "a tab": ("[x](<java\tscript:alert(1)>)", 'begins with "javascript:"', "java\tscript:"),
    "capitals": ("[x](JaVaScRiPt:alert(1))", 'begins with "javascript:"', "JaVaScRiPt:"),
    "a reference": ("[x][r]\n\n[r]: javascript:alert(1)", 'begins with "javascript:"', "javascript:"),
    "an autolink": ("<javascript:alert(1)>", 'begins with "javascript:"', "javascript:"),
    "data": ("[x](data:text/html;base64,PHNjcmlwdD4=)", 'begins with "data:"', "data:"),
    "a script of old": ("[x](vbscript:x)", 'begins with "vbscript:"', "vbscript:"),
    "a folder above": ("![x](../../secret.svg)", 'the picture "../../secret.svg" lies elsewhere', "secret"),
    "a folder above, encoded": ("![x](%2e%2e/%2E%2E/secret.svg)", "lies elsewhere", "secret"),
    "a backslash": ("![x](..\\\\secret.svg)", "lies elsewhere", "secret"),
    "the machine's own": ("![x](file:///etc/passwd)", 'the picture "file:///etc/passwd" lies elsewhere', "passwd"),
    "its root": ("![x](/etc/passwd)", 'the picture "/etc/passwd" lies elsewhere', "passwd"),
    "a picture by reference": ("![x][r]\n\n[r]: file:///etc/passwd", "lies elsewhere", "passwd"),
    "HTML that runs": ("<script>alert(1)</script>", "<script> does not stand in prose", "<script"),
    "an event": ("a <b onclick=alert(1)>b</b>", "<b onclick> does not stand in prose", "onclick"),
    "a link in HTML": ('a <a href="java&#x73;cript:x">b</a>', 'begins with "javascript:"', "<a"),
    "a style": ('a <b style="position:fixed">b</b>', "<b style> does not stand in prose", "style"),
    "a frame": ('<iframe src="https://example.org"></iframe>', "<iframe> does not stand in prose", "<iframe"),
}
HARMLESS = [
    "[x](https://example.org/a?b=c:d#e)",
    "[x](mailto:a@example.org) and [y](tel:+123)",
    "[x](../evidence/) and [y](sub/page.html) and [z](#here)",
    "<https://example.org>",
    "![x](plot.svg) and ![y](a/../plot.svg) and ![z](https://example.org/a.png)",
    'H<sub>2</sub>O <abbr title="of old">etc.</abbr> <kbd>x</kbd><br>',
    "<!-- javascript: --> `[x](javascript:y)` \\[x](javascript:y)",
]
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
    code = "from lockstep.project.project import Project; from lockstep.site.generate import generate; "
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


@pytest.mark.parametrize("how", REFUSED)
def test_addresses_that_run_or_read_and_html_that_runs_are_refused_with_their_line(how):
    source, message, left = REFUSED[how]
    told = [(problem.line, problem.message) for problem in mistakes(parse(f"Words.\n\n{source}\n"), "a.md")]
    assert [line for line, what in told if message in what] == [3], told
    assert left in unescape(page(f"Words.\n\n{source}\n"))  # or nothing would be refused in vain


@pytest.mark.parametrize("source", HARMLESS)
def test_other_addresses_and_plain_html_pass(source):
    assert list(mistakes(parse(f"# here\n\n{source}\n"), "a.md")) == []


def page(source: str) -> str:
    """What the site would make of a source that nobody had verified."""
    return Html(Page("mini", None, Bibliography(Path("none"), {})), str, "a.md").body(parse(source))


def test_check_and_build_refuse_them_alike(tmp_path):
    """In a post both do; in a page of no post, the build."""
    root = dressed(tmp_path)
    prose = root / "content/mini/index.md"
    text, lines = prose.read_text(), [source.replace("\n", "\n\n") for source, _, _ in REFUSED.values()]
    before = text.count("\n") + 1
    prose.write_text(text + "\n" + "\n\n".join(lines) + "\n")
    told = [lockstep(root, *command).stderr for command in (["check"], ["build", "--frozen"])]
    for number, (source, message, _) in enumerate(REFUSED.values()):
        line = before + 1 + sum(one.count("\n") + 2 for one in lines[:number])
        where = f"content/mini/index.md:{line}: "
        assert all(any(w.startswith(where) and message in w for w in one.splitlines()) for one in told), (source, where)
    prose.write_text(text)
    (root / "content/pages/about.md").write_text("Title: About\nSlug: about\n\n" + "\n\n".join(lines) + "\n")
    done = lockstep(root, "build")
    assert done.returncode == 1
    assert all(
        any("content/pages/about.md:" in w and m in w for w in done.stderr.splitlines()) for _, m, _ in REFUSED.values()
    )
    assert not (root / "output/about").exists()


def test_code_outside_of_the_post_is_not_shown(tmp_path):
    root = dressed(tmp_path)
    (root / "code/secret.py").write_text("def key():\n    return 1\n")
    with (root / "content/mini/index.md").open("a") as file:
        file.write("\n[x](code:../../secret.py#key?illustrative)\n")
    assert "there is no code file ../../secret.py" in lockstep(root, "check").stderr


def test_the_measure_sees_what_is_not_escaped(browser, project):
    with served(project / "output") as address, opened(browser, address, bypass_csp=True) as (page, watch):
        before = page.evaluate(MADE)
        with page.expect_event("dialog"):
            page.evaluate("(html) => { document.body.insertAdjacentHTML('beforeend', html); }", hostile("control"))
        assert len(page.evaluate(MADE)) > len(before)
        assert "dialog: /control/" in watch.problems
