"""Nothing is wider than its window, nothing moves once painted, print is a paper, and less motion is no motion."""

from contextlib import contextmanager

from webpages import HEIGHT, WIDTHS, nothing_in, opened, openers, resize, sample, visited

# Where the reader can scroll inside an element, what stands in it may be wide.
TOO_WIDE = """() => {
    const scrolls = (e) => e && e !== document.documentElement
        && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const wide = [...document.querySelectorAll("body, body *")]
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement))
        .map((e) => e.outerHTML.slice(0, 120));
    if (document.scrollingElement.scrollWidth > innerWidth) wide.unshift("the page scrolls sideways");
    return wide;
}"""

# Scrolls down as a reader does, a screen at a time, waiting for the pictures that come into view.
SHIFTS = """async () => {
    const shifts = [];
    const named = ({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 100);
    const note = (entries) => entries.filter((entry) => !entry.hadRecentInput)
        .forEach((entry) => shifts.push(`${entry.value.toFixed(4)}: ${entry.sources.map(named).join(" | ")}`));
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "layout-shift", buffered: true });
    const frames = async () => { for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame); };
    for (let y = 0; y <= document.scrollingElement.scrollHeight; y += innerHeight * 0.8) {
        scrollTo({ top: y, behavior: "instant" });
        await frames();
        const near = [...document.images].filter((image) => image.checkVisibility()
            && image.getBoundingClientRect().top < innerHeight && image.getBoundingClientRect().bottom > 0);
        await Promise.all(near.map((image) => image.decode().catch(() => shifts.push(`no picture: ${image.src}`))));
        await frames();
    }
    await document.fonts.ready;
    await frames();
    note(observer.takeRecords());
    return shifts;
}"""


PAINTED = """() => new Promise((painted) => new PerformanceObserver((list) => {
    if (list.getEntriesByName("first-contentful-paint").length) painted();
}).observe({ type: "paint", buffered: true }))"""


def test_no_page_is_wider_than_its_window(browser, url, output):
    wide = {}
    for name, page in visited(browser, url, sample(output)):
        for width in WIDTHS:
            resize(page, width)
            wide[f"/{name} at {width}"] = page.evaluate(TOO_WIDE)
    nothing_in(wide)


def test_the_measure_of_width_sees_an_overflow_hidden_or_not(browser, url):
    with opened(browser, url, "about/", WIDTHS[0]) as (page, _):
        page.evaluate("document.querySelector('main').firstElementChild.style.minWidth = '3000px'")
        assert "the page scrolls sideways" in page.evaluate(TOO_WIDE)
        page.evaluate("document.documentElement.style.overflowX = document.body.style.overflowX = 'clip'")
        assert page.evaluate(TOO_WIDE) != []


@contextmanager
def with_late_fonts(browser, url, name, width):
    """A page whose fonts come after its first paint, as they do on a slow line."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT})
    page, waiting, painted = context.new_page(), [], []
    page.route("**/*.woff2", lambda route: route.continue_() if painted else waiting.append(route))
    try:
        page.goto(url + name, wait_until="domcontentloaded")
        painted.append(page.evaluate(f"({PAINTED})().then(() => true)"))
        for route in waiting:
            route.continue_()
        yield page
    finally:
        context.close()


def test_nothing_moves_after_it_was_painted(browser, url, output):
    moved = {}
    for width in WIDTHS[::2]:
        for name in sample(output):
            with with_late_fonts(browser, url, name, width) as page:
                moved[f"/{name} at {width}"] = page.evaluate(SHIFTS)
    nothing_in(moved)


def test_the_measure_of_movement_sees_what_comes_in_above(browser, url):
    with opened(browser, url, "about/") as (page, _):
        before = page.evaluate(SHIFTS)
        page.evaluate(
            "async () => { const late = document.createElement('div'); late.style.height = '200px';"
            " scrollTo({ top: 0, behavior: 'instant' });"
            " for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);"
            " document.querySelector('main').prepend(late); }"
        )
        assert len(page.evaluate(SHIFTS)) > len(before)


# Ink is anything as dark as #444: what is quiet on a screen may be a dark grey on paper.
PRINTED = """() => {
    const shown = (e) => e.checkVisibility() && e.getClientRects().length > 0;
    const light = (e) => Math.max(...getComputedStyle(e).color.match(/[0-9.]+/g).slice(0, 3).map(Number)) > 68;
    const paper = ["rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"];
    const which = (selector) => [...document.querySelectorAll(selector)].filter(shown);
    const text = "main :is(p, li, td, th, h1, h2, h3, figcaption, pre)";
    return {
        controls: which("nav, dialog, [popover], .tool, input, .skip").map((e) => e.outerHTML.slice(0, 120)),
        light: which(text).filter(light).map((e) => `${getComputedStyle(e).color} ${e.outerHTML.slice(0, 100)}`),
        ground: [document.documentElement, document.body].map((e) => getComputedStyle(e).backgroundColor)
            .filter((colour) => !paper.includes(colour)),
    };
}"""


def test_a_printed_page_is_dark_on_white_without_controls(browser, url, output):
    printed = {}
    for name, page in visited(browser, url, sample(output), color_scheme="dark"):
        for target in openers(page)[:1]:
            page.locator(f'button[popovertarget="{target}"]').first.click()
        screen = page.evaluate(PRINTED)
        assert all(screen.values()), "the measure must see the controls and the light text of a dark screen"
        page.emulate_media(media="print")
        printed[f"/{name}"] = [f"{what}: {text}" for what, texts in page.evaluate(PRINTED).items() for text in texts]
        page.emulate_media(media="screen")
    nothing_in(printed)


MOVING = """() => {
    const still = (value) => value.split(",").every((part) => parseFloat(part) === 0);
    const moves = (e) => [null, "::before", "::after", "::backdrop"].some((part) => {
        const style = getComputedStyle(e, part);
        return style.animationName !== "none" || !still(style.transitionDuration) || style.scrollBehavior === "smooth";
    });
    return [...document.querySelectorAll("*")].filter(moves).map((e) => e.outerHTML.slice(0, 100))
        .concat(document.getAnimations().map((one) => `running: ${one.constructor.name}`));
}"""


def test_nothing_moves_for_a_reader_who_asked_for_less_motion(browser, url, output):
    moving = {}
    for name, page in visited(browser, url, sample(output), reduced_motion="reduce"):
        for target in openers(page)[:1]:
            page.locator(f'button[popovertarget="{target}"]').first.click()
        moving[f"/{name}"] = page.evaluate(MOVING)
    nothing_in(moving)


def test_the_measure_of_motion_sees_each_kind(browser, url):
    with opened(browser, url, "about/", reduced_motion="reduce") as (page, _):
        for change in ("scrollBehavior = 'smooth'", "transition = 'color 1s'"):
            page.evaluate(f"document.documentElement.style.{change}")
            assert page.evaluate(MOVING) != [], change
            page.evaluate("document.documentElement.removeAttribute('style')")
        page.evaluate("() => { document.body.animate([{ opacity: 0 }, { opacity: 1 }], 60000); }")
        assert page.evaluate(MOVING) == ["running: Animation"]
