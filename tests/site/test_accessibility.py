"""No page breaks a rule of axe-core at any width, and neither does what opens on it; nor one on colours in the dark."""

import pytest
from webpages import SCHEMES, WIDTHS, nothing_in, opened, openers, resize, sample, visited

OF_COLOUR = ("color-contrast", "link-in-text-block")  # all that a dark scheme can change
ASKED = {
    "light": {"rules": {"target-size": {"enabled": True}}},  # WCAG 2.2's 24 pixels, which axe leaves off by default
    "dark": {"runOnly": {"type": "rule", "values": OF_COLOUR}},
}
VIOLATIONS = """async ([where, options]) => {
    const found = await axe.run(where ?? document, { resultTypes: ["violations"], ...options });
    return found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)}`));
}"""


def violations(page, scheme: str, where: str | None = None) -> list[str]:
    """What breaks a rule, of all rules in the light scheme and of those on colours in the dark one."""
    return page.evaluate(VIOLATIONS, [where, ASKED[scheme]])


@pytest.fixture(scope="module")
def axe(tools) -> str:
    return (tools / "axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_breaks_a_rule(browser, url, output, axe, scheme):
    broken = {}
    for name, page in visited(browser, url, sample(output), color_scheme=scheme):
        page.evaluate(axe)
        for width in WIDTHS if scheme == "light" else WIDTHS[::2]:
            resize(page, width)
            broken[f"/{name} at {width}"] = violations(page, scheme)
    nothing_in(broken)


def strayed(page, width, target) -> list[str]:
    """How an opened pop-over lies outside the window, if it does."""
    box = page.locator(f'[id="{target}"]').bounding_box()
    if not box:
        return ["did not open"]
    inside = box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] >= 0 and box["y"] + box["height"] <= 900
    return [] if inside else [f"lies outside a window of {width}: {box}"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_pop_over_breaks_a_rule_or_leaves_the_window(browser, url, output, axe, scheme):
    broken = {}
    for name, page in visited(browser, url, sample(output), color_scheme=scheme):
        page.evaluate(axe)
        for width in WIDTHS[::2] if scheme == "light" else WIDTHS[:1]:
            resize(page, width)
            for target in openers(page):
                page.locator(f'button[popovertarget="{target}"]').first.click()
                found = strayed(page, width, target)
                found += violations(page, scheme, f'[id="{target}"]') if width == WIDTHS[0] and not found else []
                page.mouse.move(0, 0)  # where the mouse rests on a number, its pop-over would open again
                page.keyboard.press("Escape")
                page.locator(f'[id="{target}"]').wait_for(state="hidden")
                broken[f"/{name}#{target} at {width}"] = found
    assert broken, "the site has pop-overs, and this test must find them"
    nothing_in(broken)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_search_breaks_no_rule(browser, url, axe, scheme):
    with opened(browser, url, color_scheme=scheme) as (page, _):
        page.evaluate(axe)
        page.keyboard.press("/")
        page.locator("dialog[open] input").fill("the")
        page.locator("dialog[open] a").first.wait_for()
        assert violations(page, scheme) == []


SPOILT = {
    "image-alt": "document.querySelector('main').append(document.createElement('img'))",
    "color-contrast": "document.querySelector('main p').style.color = 'light-dark(#ddd, #333)'",
    "label": "document.querySelector('main').append(document.createElement('input'))",
    "heading-order": "document.querySelector('h1').insertAdjacentHTML('afterend', '<h5>x</h5>')",
    "target-size": """for (let i = 0; i < 3; i++) {
        const small = Object.assign(document.createElement("button"), { ariaLabel: "x" });
        small.style.cssText = "width: 9px; height: 9px; padding: 0";
        document.querySelector("main").append(small);
    }""",
    "link-name": "document.querySelector('main').insertAdjacentHTML('beforeend', '<a href=\"/\"></a>')",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_rules_see_a_page_that_was_spoilt(browser, url, axe, scheme):
    with opened(browser, url, "about/", color_scheme=scheme) as (page, _):
        page.evaluate(axe)
        assert violations(page, scheme) == []
        for change in SPOILT.values():
            page.evaluate(change)
        seen = {found.split(":")[0] for found in violations(page, scheme)}
        assert seen >= set(SPOILT) if scheme == "light" else seen == set(SPOILT) & set(OF_COLOUR)
