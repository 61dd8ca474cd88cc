"""The published pages without JavaScript: text and figures are there, and provenance opens by tap and by key."""

import pytest
from webpages import HEIGHT, SCHEMES, nothing_in, sample, visited

VIEWS = [(width, scheme) for width in (390, 1280) for scheme in SCHEMES]


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def page(request, browser):
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


def test_the_provenance_of_a_number_opens_and_closes_without_javascript(page, url):
    page.goto(url + "gan/")
    number = page.locator("button.measured", has_text="159.4").first
    shown = page.locator(f"#{number.get_attribute('popovertarget')}")
    assert not shown.is_visible()
    number.click()
    shown.wait_for()
    assert "lockstep reproduce gan.evaluate" in shown.inner_text()
    assert "code/posts/gan/evaluate.py · parzen" in shown.inner_text()
    assert "5 seeds" in shown.inner_text()
    box = shown.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.mouse.move(0, 0)  # a pointer that rests on the number would open it again: the browser shows it on hover, too
    page.keyboard.press("Escape")
    shown.wait_for(state="hidden")


def test_a_number_can_be_reached_and_opened_by_key(page, url):
    page.goto(url + "gan/")
    number = page.locator("button.measured").first
    number.focus()
    page.keyboard.press("Enter")
    page.locator(f"#{number.get_attribute('popovertarget')}").wait_for()


# Text that no one can see: not in a pop-over or a fold, which open without scripts, nor in what only a script can use.
UNSEEN = """() => {
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), unseen = [];
    const opens = "[popover], details:not([open]) > :not(summary), noscript, script, figure.demo, annotation";
    while (walker.nextNode()) {
        const { data, parentElement: parent } = walker.currentNode;
        const seen = parent.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        if (data.trim() && !seen && !parent.closest(opens)) unseen.push(data.trim().slice(0, 80));
    }
    return unseen;
}"""


def test_text_and_figures_are_there_without_javascript(browser, url, output):
    missing, figures = {}, 0
    for name, page in visited(browser, url, sample(output), 768, java_script_enabled=False):
        missing[f"/{name}"] = page.evaluate(UNSEEN)
        for figure in page.locator("main img").all():
            if figure.is_visible():
                figures += 1
                figure.scroll_into_view_if_needed()
                seen = figure.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0, () => false)")
                missing[f"/{name}"] += [] if seen else [f"no picture: {figure.get_attribute('src')}"]
        page.evaluate("document.querySelector('main h1').hidden = true")
        assert len(page.evaluate(UNSEEN)) > len([text for text in missing[f"/{name}"] if "no picture" not in text])
    nothing_in(missing)
    assert figures, "the site has figures, and this test must see them"
