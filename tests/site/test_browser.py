"""The published pages in a real browser: nothing overflows, provenance opens without JavaScript, both schemes read."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
PAGES = ["", "gan/", "about/", "404.html"]


TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("main *")]
    .filter(e => !e.closest(".scroll, .frame, pre, .display-math, [popover]"))
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120))"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The real site, built frozen into a temporary folder and served on this machine."""
    output = tmp_path_factory.mktemp("output")
    command = [sys.executable, "-m", "lockstep", "build", "--frozen"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"LOCKSTEP_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(output))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests need Chromium: install your system's package"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def page(request, browser):
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window(page, url, path):
    page.goto(url + path)
    wide = page.evaluate(TOO_WIDE)
    assert wide == []
    page.evaluate("document.querySelector('main').firstElementChild.style.minWidth = '3000px'")
    assert page.evaluate(TOO_WIDE) != [], "the measure itself must see an overflow"


def test_the_provenance_of_a_number_opens_and_closes_without_javascript(page, url):
    page.goto(url + "gan/")
    number = page.locator("button.measured").first
    shown = page.locator(f"#{number.get_attribute('popovertarget')}")
    assert not shown.is_visible()
    number.click()
    assert shown.is_visible()
    assert "lockstep reproduce gan.evaluate" in shown.inner_text()
    assert "code/posts/gan/evaluate.py · parzen" in shown.inner_text()
    assert "5 seeds" in shown.inner_text()
    box = shown.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.keyboard.press("Escape")
    assert not shown.is_visible()


def test_a_number_can_be_reached_and_opened_by_key(page, url):
    page.goto(url + "gan/")
    number = page.locator("button.measured").first
    number.focus()
    page.keyboard.press("Enter")
    assert page.locator(f"#{number.get_attribute('popovertarget')}").is_visible()
