"""What a reader does with a page: rests on a number, follows it to its code, changes the scheme, opens the contents."""

from hashlib import sha256

import pytest
from playwright.sync_api import expect
from webpages import HEIGHT


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def wide(request, browser):
    context = browser.new_context(viewport={"width": 1440, "height": HEIGHT}, java_script_enabled=request.param)
    yield context.new_page()
    context.close()


@pytest.fixture
def scripted(browser):
    context = browser.new_context(viewport={"width": 1440, "height": HEIGHT}, color_scheme="light")
    yield context.new_page()
    context.close()


def shown_by(page, button):
    return page.locator(f"#{button.get_attribute('interestfor')}")


@pytest.mark.parametrize(
    "kind", ["button.measured", ".claim ~ button.mark", "a.citation[interestfor]", ".take [interestfor]"]
)
def test_resting_on_it_opens_provenance_and_escape_closes_it(wide, url, kind):
    wide.goto(url + "gan/")
    target = wide.locator(kind).first
    shown = shown_by(wide, target)
    assert not shown.is_visible()
    target.hover()
    shown.wait_for(state="visible")
    wide.keyboard.press("Escape")
    shown.wait_for(state="hidden")


def test_a_click_after_resting_on_a_number_does_not_close_its_provenance(wide, url):
    wide.goto(url + "gan/")
    number = wide.locator("button.measured").first
    number.hover()
    shown_by(wide, number).wait_for(state="visible")
    number.click()
    assert shown_by(wide, number).is_visible()


def test_provenance_stands_in_the_margin_beside_its_number(wide, url):
    wide.goto(url + "gan/")
    number = wide.locator(".body > p button.measured").first
    number.click()
    at, shown = number.bounding_box(), shown_by(wide, number).bounding_box()
    column = wide.locator(".body").bounding_box()
    assert shown["x"] >= column["x"] + column["width"]
    assert abs(shown["y"] - at["y"]) < at["height"] or shown["y"] + shown["height"] <= HEIGHT


@pytest.mark.parametrize("start", ["", "gan/", "drift/"])
def test_the_line_of_code_is_two_clicks_away_from_a_number(wide, url, start):
    wide.goto(url + start)
    number = wide.locator("button.measured").first
    number.click()
    shown_by(wide, number).locator("a[href*='/code/']").first.click()
    wide.wait_for_url("**/code/**#L*")
    line = wide.locator(f"#{wide.url.rpartition('#')[2]}")
    assert line.inner_text().startswith(("def ", "@", "class "))
    assert line.bounding_box()["y"] < HEIGHT, "the line is in view"


def picture(page, selector) -> str:
    """A digest of what the first such figure looks like."""
    page.locator(selector).first.scroll_into_view_if_needed()
    page.locator(selector).first.evaluate("(image) => image.decode()")
    return sha256(page.locator(selector).first.screenshot()).hexdigest()


def becomes(page, selector, right) -> str:
    """The figure's picture once it is right twice running: what was asked for may take some frames to be painted."""
    seen = picture(page, selector)
    for _ in range(50):
        before, seen = seen, picture(page, selector)
        if before == seen and right(seen):
            break
    assert right(seen)
    return seen


def test_the_scheme_that_is_chosen_sticks_and_figures_follow_it(scripted, url):
    scripted.goto(url + "gan/")
    figure = "figure.plot img"
    light = becomes(scripted, figure, lambda seen: True)
    button = scripted.locator("#scheme-button")
    button.click()
    assert button.inner_text() == "Light"
    becomes(scripted, figure, lambda seen: seen == light)
    button.click()
    assert button.inner_text() == "Dark"
    dark = becomes(scripted, figure, lambda seen: seen != light)
    scripted.reload()
    assert button.inner_text() == "Dark"
    becomes(scripted, figure, lambda seen: seen == dark)
    scripted.emulate_media(color_scheme="dark")
    button.click()
    assert button.inner_text() == "Auto"
    becomes(scripted, figure, lambda seen: seen == dark)  # the system's scheme gives what the chosen one gave


def test_the_contents_follow_the_reader(scripted, url):
    scripted.goto(url + "gan/")
    current = scripted.locator(".contents [aria-current]")
    assert current.inner_text() == "In sixty seconds"
    scripted.locator("h2#what-failed").evaluate("(h) => h.scrollIntoView({ behavior: 'instant' })")
    expect(current).to_have_attribute("href", "#what-failed")


def test_on_a_phone_the_contents_open_from_a_button_without_scripts(browser, url):
    context = browser.new_context(viewport={"width": 360, "height": 700}, java_script_enabled=False)
    page = context.new_page()
    page.goto(url + "gan/")
    assert not page.locator("#contents").is_visible()
    page.locator(".contents-button").click()
    page.locator("#contents a", has_text="What failed").click()
    assert page.url.endswith("#what-failed")
    context.close()


def test_the_button_of_the_contents_goes_while_one_reads_on_and_comes_back_with_a_look_back(browser, url):
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(url + "gan/")
    button = page.locator(".contents-button")
    expect(button).to_be_visible()
    page.mouse.wheel(0, 900)
    expect(button).to_be_hidden()
    page.mouse.wheel(0, -200)
    expect(button).to_be_visible()
    context.close()


def test_on_a_phone_the_first_post_is_seen_without_scrolling(browser, url):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(url)
    title = page.locator(".card h2").first.bounding_box()
    assert title["y"] + title["height"] < 740
    assert page.locator(".card img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    context.close()


def test_on_a_phone_the_verdict_is_the_second_column(browser, url):
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page = context.new_page()
    page.goto(url + "gan/")
    for row in page.locator(".judged tr").all():
        cells = row.locator("th, td")
        lefts = cells.evaluate_all("all => all.map((cell) => cell.getBoundingClientRect().left)")
        second = cells.nth(sorted(range(len(lefts)), key=lefts.__getitem__)[1])
        assert "says" in (second.get_attribute("class") or "")
    assert page.locator(".judged tr").count() > 2
    context.close()


@pytest.mark.parametrize("post", ["gan", "transformer", "recommender"])
def test_on_a_phone_the_picture_of_the_first_screen_begins_there_and_is_seen_whole(browser, url, post):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{url}{post}/")
    frame = page.locator(".sixty figure .frame").first
    assert frame.bounding_box()["y"] < 844 - 100
    assert frame.evaluate("(frame) => frame.scrollWidth <= frame.clientWidth")
    context.close()


def test_on_a_phone_a_wide_figure_scrolls_and_keeps_its_type_legible(browser, url):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(url + "gan/")
    frame = page.locator('.frame:has(img[src$="/likelihood.svg"])')
    assert frame.evaluate("(frame) => frame.scrollWidth > frame.clientWidth")
    drawn = frame.locator("img").evaluate("(image) => image.width / image.getAttribute('width')")
    assert drawn * 11 * 4 / 3 >= 11, "eleven points, as figures are set, are eleven pixels at least"
    context.close()


def test_a_press_on_the_sentence_of_a_claim_tells_how_it_is_known(wide, url):
    wide.goto(url + "gan/")
    claim = wide.locator("label.claim").first
    claim.click()
    shown = shown_by(wide, wide.locator(f"[id='{claim.get_attribute('for')}']"))
    shown.wait_for(state="visible")
    assert "verdict" in shown.inner_text()


def test_a_folded_answer_opens_and_holds_its_text(wide, url):
    wide.goto(url + "drift/")
    answer = wide.locator("details.answer").first
    assert not answer.locator("p").first.is_visible()
    answer.locator("summary").click()
    assert answer.locator("p").first.is_visible()


def test_a_figure_enlarges_and_gives_its_data(wide, url):
    wide.goto(url + "gan/")
    figure = wide.locator('figure.plot:has(img[src$="/likelihood.svg"])')
    small = figure.locator("img").bounding_box()["width"]
    figure.get_by_text("Enlarge").click()
    large = wide.locator(f"#{figure.get_attribute('id')}-large img")
    assert large.bounding_box()["width"] > small
    wide.keyboard.press("Escape")
    data = wide.request.get(url + "gan/" + figure.get_by_text("CSV").get_attribute("href"))
    assert data.text().startswith("panel,series,x,y\n")


def test_code_is_copied(browser, url):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(url + "gan/")
    excerpt = page.locator("figure.excerpt").first
    excerpt.locator("button.copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == excerpt.locator("pre").text_content()
    context.close()
