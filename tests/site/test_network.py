"""Pages are quiet, at home and light: no message, no failed request, no other host, whatever the reader opens."""

import re
from dataclasses import dataclass

import pytest
from webpages import compressed, file_of, nothing_in, opened, openers, sample

FIRST_LOAD = 80_000  # bytes of HTML, style and scripts before anything is asked for, compressed
OWN_SCRIPTS = 10_000  # bytes of our own JavaScript that a page can come to load, compressed, its demos' apart
DEMO_SCRIPTS = 10_500  # bytes of the scripts of a page's demos, compressed
LOADED = ("document", "stylesheet", "script", "fetch", "xhr", "manifest", "other")  # but not figures and fonts
VENDORED = re.compile(r"^pagefind/|/vendor/")  # made by others, loaded only when the reader asks


@dataclass
class Visit:
    """What a page did on load, and after the reader opened what it has."""

    at_first: list[str]
    later: list[str]
    first: dict[str, bytes]
    fonts: dict[str, bytes]
    scripts: dict[str, bytes]


def press_all(page, watch) -> None:
    """Open one pop-over of each kind, the demos and the search, and wait until each has what it asked for."""
    for target in openers(page):
        page.locator(f'button[popovertarget="{target}"]').first.click()
        page.keyboard.press("Escape")
    for start in page.locator("figure.demo button.start").all():
        start.click()
    watch.settle()
    page.evaluate("document.activeElement.blur()")  # a demo may have taken the focus into a field of text
    page.keyboard.press("/")
    page.locator("dialog[open] input").fill("the")
    page.locator("dialog[open] a").first.wait_for()
    watch.settle()


@pytest.fixture(scope="module")
def visits(browser, url, output) -> dict[str, Visit]:
    made = {}
    for name in sample(output):
        with opened(browser, url, name) as (page, watch):
            page.evaluate("document.fonts.ready")
            watch.settle()
            at_first, first, fonts = list(watch.problems), watch.asked(*LOADED), watch.asked("font")
            press_all(page, watch)
            made[name] = Visit(at_first, watch.problems[len(at_first) :], first, fonts, watch.asked("script"))
    return made


def test_no_page_complains_or_asks_another_host_for_anything(visits):
    nothing_in({f"/{name} on load": visit.at_first for name, visit in visits.items()})
    nothing_in({f"/{name} after opening what it has": visit.later for name, visit in visits.items()})


SPOILT = {
    "console: ": "console.warn('spoilt')",
    "uncaught: ": "setTimeout(() => { throw Error('spoilt'); })",
    "answer: 404 ": "fetch('nowhere.json')",
    "failed: ": "fetch('http://127.0.0.2:9/').catch(() => 0)",
    "another host: ": "fetch('http://127.0.0.2:9/').catch(() => 0)",
    "policy: ": "document.querySelector('main').insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')",
    "dialog: ": "setTimeout(() => alert('spoilt'))",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_the_watch_sees_a_page_that_was_spoilt(browser, url, kind):
    stopped = "127.0.0.2" in SPOILT[kind]  # by the site's policy, before it becomes a request
    with opened(browser, url, "about/", bypass_csp=stopped) as (page, watch):
        assert watch.problems == []
        page.evaluate(f"() => {{ {SPOILT[kind]} }}")
        watch.settle()
        assert any(problem.startswith(kind) for problem in watch.problems), watch.problems


def test_a_page_is_light_before_anything_is_asked_for(visits, output):
    heavy = {}
    for name, visit in visits.items():
        assert file_of(output, name).read_bytes() in visit.first.values()
        assert {path.rpartition(".")[2] for path in visit.first} >= {"css", "js"}
        parts = {path: compressed(body) for path, body in visit.first.items()}
        if sum(parts.values()) > FIRST_LOAD:
            heavy[f"/{name}"] = [f"{sum(parts.values())} bytes: {parts}"]
    nothing_in(heavy)


def test_our_own_scripts_are_small_on_every_page(visits):
    heavy = {}
    for name, visit in visits.items():
        own = {path: compressed(body) for path, body in visit.scripts.items() if not VENDORED.search(path)}
        assert {"theme/js/site.js", "theme/js/search.js"} <= set(own)
        demos = {path: size for path, size in own.items() if "/demo/" in path}
        if sum(own.values()) - sum(demos.values()) > OWN_SCRIPTS or sum(demos.values()) > DEMO_SCRIPTS:
            heavy[f"/{name}"] = [f"{path}: {size}" for path, size in own.items()]
    nothing_in(heavy)


def test_fonts_come_from_the_site_and_the_math_font_only_where_there_is_math(visits, output):
    needless, needed = {}, []
    for name, visit in visits.items():
        assert visit.fonts, f"/{name} is set in fonts of its own"
        assert all(path.endswith(".woff2") and body[:4] == b"wOF2" for path, body in visit.fonts.items()), name
        math = sorted(path for path in visit.fonts if "math" in path)
        if "<math" in file_of(output, name).read_text(encoding="utf-8"):
            needed += math
        else:
            needless[f"/{name}"] = math
    nothing_in(needless)
    assert needed, "a page with formulas asks for the math font, and this test must see it"
