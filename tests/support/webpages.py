"""The written site as a reader's browser meets it: its pages, a server, and what a page did wrong while open."""

from __future__ import annotations

import functools
import gzip
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Page, Request, Response, sync_playwright

WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")
HEIGHT = 900
FRAMES = "async () => { for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame); }"
REFERENCES = ("popovertarget", "interestfor", "for", "aria-labelledby", "aria-describedby", "aria-controls", "headers")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser. While Playwright runs, nothing else in the process can start an event loop."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "these tests need Chromium: install your system's package"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


def every_page(output: Path) -> list[str]:
    """Each page's address below the site: "", "gan/", "404.html"."""
    found = (path.relative_to(output).as_posix() for path in output.rglob("*.html"))
    return sorted(name.removesuffix("index.html") for name in found if not name.startswith("pagefind/"))


def sample(output: Path) -> list[str]:
    """Every page at the top, and of what lies deeper (tags, code, …) the heaviest page of each kind.

    Pages of one kind share a template: the heaviest has the longest lines and the most of everything.
    """
    chosen: dict[str, str] = {}
    for name in every_page(output):
        folders = name.split("/")[:-1]
        kind = name if len(folders) < 2 else "code" if "code" in folders else folders[0]
        if kind not in chosen or weight(output, name) > weight(output, chosen[kind]):
            chosen[kind] = name
    return sorted(chosen.values())


def file_of(output: Path, name: str) -> Path:
    return output / name / "index.html" if name.endswith("/") or not name else output / name


def weight(output: Path, name: str) -> int:
    return file_of(output, name).stat().st_size


def compressed(body: bytes) -> int:
    """Bytes on the wire from an ordinary static host."""
    return len(gzip.compress(body, 6))


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and the text of its scripts and style sheets."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.inline: list[tuple[str, dict[str, str], str]] = []
        self._open: tuple[str, dict[str, str]] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.found.append((tag, attributes))
        self._open = (tag, attributes) if tag in ("script", "style") else None

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.inline.append((*self._open, data))

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.found if name in attributes]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def served(output: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(output))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class Watch:
    """What a page asked for, and its problems: messages, failed and foreign requests, violations of its policy."""

    def __init__(self, page: Page, home: str):
        self.page = page
        self.home = home
        self.pending: set[Request] = set()
        self.problems: list[str] = []
        self.responses: list[Response] = []
        page.on("console", lambda message: self._say(message.type in ("error", "warning"), "console", message.text))
        page.on("pageerror", lambda error: self._say(True, "uncaught", str(error)))
        page.on("dialog", self._dialog)
        page.on("requestfailed", lambda request: self._say(True, "failed", f"{request.url} {request.failure}"))
        page.on("request", self._request)
        page.on("requestfinished", self._done)
        page.on("requestfailed", self._done)
        page.on("response", self._response)
        page.expose_function("sayViolation", lambda text: self._say(True, "policy", text))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " sayViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"
        )

    def _say(self, wrong: bool, kind: str, text: str) -> None:
        if wrong:
            self.problems.append(f"{kind}: {text}")

    def _dialog(self, dialog: Dialog) -> None:
        self._say(True, "dialog", dialog.message)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        self.pending.add(request)
        local = request.url.startswith((self.home, "data:", "blob:" + self.home))
        self._say(not local, "another host", request.url)

    def _done(self, request: Request) -> None:
        self.pending.discard(request)

    def _response(self, response: Response) -> None:
        self.responses.append(response)
        self._say(response.status >= 400, "answer", f"{response.status} {response.url}")

    def settle(self) -> None:
        """Wait until the page has asked for nothing for some frames. Playwright's networkidle comes once, on load."""
        quiet = 0
        for _ in range(2000):
            self.page.evaluate(FRAMES)
            quiet = 0 if self.pending else quiet + 1
            if quiet == 3:
                return
        raise AssertionError(f"still under way: {[request.url for request in self.pending]}")

    def asked(self, *kinds: str) -> dict[str, bytes]:
        """The bodies of what was loaded, of these resource types, by path."""
        return {
            response.url.removeprefix(self.home).partition("?")[0]: response.body()
            for response in self.responses
            if response.request.resource_type in kinds and response.url.startswith(self.home)
        }


@contextmanager
def opened(browser: Browser, home: str, name: str = "", width: int = 1440, **options: Any) -> Iterator[Any]:
    """A page of the site, loaded, in a context of its own; yields it and its Watch."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
    page = context.new_page()
    watch = Watch(page, home)
    try:
        page.goto(home + name)
        yield page, watch
    finally:
        context.close()


def visited(browser: Browser, home: str, names: list[str], width: int = 1440, **options: Any) -> Iterator[Any]:
    """Load one page after another in the same window; yields the name of each and the page."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
    page = context.new_page()
    for name in names:
        page.goto(home + name)
        yield name, page
    context.close()


def nothing_in(found: dict[str, list[str]]) -> None:
    """Raises AssertionError, a line for each thing that was found, under where it was."""
    lines = [f"{where}\n  " + "\n  ".join(what) for where, what in found.items() if what]
    if lines:
        raise AssertionError("\n".join(lines))


def resize(page: Page, width: int) -> None:
    """Give the window another width and let the page settle: fonts there, two frames, no transition running."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate(
        "async () => { await document.fonts.ready;"
        " for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);"
        " await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0))); }"
    )


def openers(page: Page) -> list[str]:
    """One button for each kind of pop-over that the page can show now: the ids of what they open, without repeats."""
    return page.evaluate(
        """() => {
            const kinds = new Map();
            for (const button of document.querySelectorAll("button[popovertarget]")) {
                const target = button.getAttribute("popovertarget");
                const kind = button.className || document.getElementById(target).className;
                if (button.checkVisibility() && !kinds.has(kind)) kinds.set(kind, target);
            }
            return [...kinds.values()];
        }"""
    )
