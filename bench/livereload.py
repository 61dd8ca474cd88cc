"""From saving a file to a page that can be reloaded: how long `invoke livereload` takes on a site of 20 posts.

The clock starts before the file is written and stops when the event has arrived and the page with the edit has been
fetched. `python bench/livereload.py` prints it.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from blog import generate

POSTS, TIMES = 20, 10
SERVE = "from pathlib import Path; from lockstep.site.livereload import serve; serve(Path.cwd(), 0)"
RUN = "content/post7/results/provenance/train-seed=0.json"
EDITS = {  # what is edited: the file, the text that is replaced, the text in its place, the page that shows it
    "prose": ("content/post7/index.md", "quick", "{mark} quick", "/post7/"),
    "title": ("content/post7/index.md", "Title: ", "Title: {mark} ", "/"),
    "style": ("theme/static/css/site.css", "", "/* {mark} */\n", "/theme/css/site.css"),
    "template": ("theme/templates/base.html", "</footer>", "<!-- {mark} --></footer>", "/post7/"),
    "settings": ("site.toml", 'name = "', 'name = "{mark} ', "/post7/"),
    "ledger": (RUN, '"hardware": "', '"hardware": "{mark} ', "/post7/"),
    "figure": ("content/post7/figures/plot.svg", "<svg", "<!-- {mark} --><svg", "/post7/figures/plot.svg"),
    "code": ("code/posts/post7/helpers.py", "", "# {mark}\n", "/post7/code/helpers.py/"),
}


class Browser:
    """Waits for events and fetches pages."""

    def __init__(self, port: int):
        self.port = port
        self.stream = self._ask("/.livereload/events")
        self.events = self.stream.getresponse()
        self.event()

    def _ask(self, path: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        return connection

    def event(self) -> None:
        while not self.events.readline().startswith(b"data: "):
            pass

    def get(self, path: str) -> str:
        with closing(self._ask(path)) as connection:
            return connection.getresponse().read().decode()


def latencies() -> dict[str, object]:
    """Median and slowest of each kind of edit, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "blog"
        root.mkdir()
        generate(root, POSTS)
        (root / "content/post7/figures").mkdir()
        (root / "content/post7/figures/plot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        subprocess.run([sys.executable, "-m", "lockstep", "build"], cwd=root, capture_output=True, check=True)
        server = subprocess.Popen([sys.executable, "-u", "-c", SERVE], cwd=root, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            address = next(line for line in server.stdout if line.startswith("http"))
            browser = Browser(int(address.split("/")[2].split(":")[1]))
            found = {name: [_once(root, browser, name, turn) for turn in range(TIMES)] for name in EDITS}
        finally:
            server.terminate()
            server.wait()
    seconds = {
        name: {"median": round(statistics.median(times), 3), "slowest": round(max(times), 3)}
        for name, times in found.items()
    }
    return {"posts": POSTS, "times": TIMES, "seconds": seconds}


def _once(root: Path, browser: Browser, name: str, turn: int) -> float:
    file, old, new, page = EDITS[name]
    mark, path = f"mark-{name}-{turn}-", root / file
    text = path.read_text()
    changed = text.replace(old, new.format(mark=mark), 1) if old else text + new.format(mark=mark)
    assert changed != text, f"{file} has no {old!r}"
    started = time.perf_counter()
    path.write_text(changed)
    while mark not in browser.get(page):
        browser.event()
    took = time.perf_counter() - started
    time.sleep(1.0)  # the writer looks at the page: the check and the search index are done by then
    return took


if __name__ == "__main__":
    print(json.dumps(latencies(), indent=2))
