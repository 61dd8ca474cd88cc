"""While writing: whatever is edited arrives in the browser, and nothing else than the page does."""

import http.client
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest
from mini import edit, lockstep
from portfolio import PROSE, make
from webpages import chromium

SERVE = "from pathlib import Path; from lockstep.cli import guarded; from lockstep.site.livereload import serve; "
SERVE += "import sys; sys.exit(guarded(lambda: serve(Path.cwd(), {port})))"
ENGINE = Path(__file__).parents[2] / "code/lockstep"
BOUND = 60  # seconds that a test waits for an event before it fails


class Livereload:
    """The server in a process of its own, what it says, and a browser's view of it."""

    def __init__(self, root: Path, **variables: str):
        command = [sys.executable, "-u", "-c", SERVE.format(port=0)]
        self.process = subprocess.Popen(
            command,
            cwd=root,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: SimpleQueue[str] = SimpleQueue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.port = int(self.expect("shows the site").split("/")[2].split(":")[1])
        self.connection = self._connection("/.livereload/events")
        self.events = self.connection.getresponse()
        self.last = self.event()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(BOUND)
        self.listener.join()
        assert self.process.stdout
        self.process.stdout.close()
        self.events.close()
        self.connection.close()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.put(line)

    def _connection(self, path: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=BOUND)
        connection.request("GET", path)
        return connection

    def get(self, path: str) -> str:
        with closing(self._connection(path)) as connection:
            return connection.getresponse().read().decode()

    def event(self) -> str:
        """The next event: the name of what is there now."""
        for line in iter(self.events.readline, b""):
            if line.startswith(b"data: "):
                return line.decode().removeprefix("data: ").strip()
        raise AssertionError("the stream of events has ended")

    def reloaded(self) -> None:
        """Wait until browsers are told of something new."""
        last, self.last = self.last, self.event()
        assert self.last != last

    def expect(self, text: str) -> str:
        """Wait until the terminal says something."""
        while text not in (line := self.said.get(timeout=BOUND)):
            pass
        return line


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("livereload"))


@pytest.fixture
def root(site, tmp_path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


@pytest.fixture
def live(root) -> Iterator[Livereload]:
    server = Livereload(root)
    yield server
    server.stop()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def sources(root: Path) -> dict[Path, bytes]:
    skipped = {".lockstep", "output", "__pycache__"}
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and not skipped & set(p.parts)}


def test_an_edit_of_anything_that_a_page_shows_arrives(live, root):
    append(root / PROSE, "\nA new sentence.\n")
    live.reloaded()
    assert "A new sentence." in live.get("/mini/")
    edit(root, "content/near/index.md", "Title: Nearest", "Title: Nearest of all")
    live.reloaded()
    assert "Nearest of all" in live.get("/")
    append(root / "theme/static/css/site.css", "\n.new { color: red }\n")
    live.reloaded()
    assert ".new { color: red }" in live.get("/theme/css/site.css")
    edit(root, "theme/templates/base.html", "</footer>", "<p>New template</p></footer>")
    live.reloaded()
    assert "New template" in live.get("/far/")
    edit(root, "site.toml", "name = ", 'name = "Renamed" # ')
    live.reloaded()
    assert "Renamed" in live.get("/")
    edit(root, "pelicanconf.py", "%-d %B %Y", "day %-d")
    live.reloaded()
    assert "day 5" in live.get("/near/")
    edit(root, "code/posts/mini/layers.py", "bias = 0.5", "bias = 0.75")
    live.reloaded()
    page = live.get("/mini/")
    assert "0.75" in page[page.index("posts/mini/layers.py") :], "an excerpt of code that has yet to run again"
    live.expect("stale")
    live.expect("not as it should be")


def test_a_run_made_elsewhere_arrives_with_its_values_and_figures(live, root):
    assert "250." in live.get("/mini/")
    edit(root, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    edit(root, "code/posts/mini/evaluate.py", "300 200.4", "300 111.5")
    live.expect("not as it should be")
    assert "250." in live.get("/mini/")
    assert lockstep(root, "run", "mini").returncode == 0
    while "277." not in live.get("/mini/") or "111.5" not in live.get("/mini/figures/first.svg"):
        live.reloaded()


def test_a_wrong_snapshot_renders_right_and_is_said_and_no_source_is_written(live, root):
    value = "[250.8 ± 0.2 points](measured:score)"
    edit(root, PROSE, f"We score {value}", "We score [1 point](measured:score)")
    before = sources(root)
    live.expect('stale snapshot: the prose says "1 point"')
    assert "1 point<" not in live.get("/mini/")
    assert "250.8 ± 0.2 points" in live.get("/mini/")
    assert sources(root) == before


@pytest.mark.parametrize(
    ("name", "right", "wrong", "told"),
    [
        (PROSE, "measured:total", "measured:totl", 'did you mean "total"?'),
        ("theme/templates/base.html", "</footer>", "{% nothing %}</footer>", "base.html:"),
        ("site.toml", "name =", "nam =", "site.toml:"),
        ("pelicanconf.py", "PATH = ", "PATH = = ", "pelicanconf.py:"),
        ("code/posts/mini/experiment.py", "seed=range(3)", "seed=range(3", "experiment.py:"),
    ],
)
def test_a_mistake_is_said_the_last_good_page_stays_and_the_server_goes_on(live, root, name, right, wrong, told):
    edit(root, name, right, wrong)
    live.expect(told)
    live.expect("the last good site stays")
    assert "We score" in live.get("/mini/")
    edit(root, name, wrong, right)
    append(root / "content/near/index.md", "\nMended.\n")
    live.reloaded()
    while "Mended." not in live.get("/near/"):
        live.reloaded()


def test_a_site_that_has_never_been_built_is_served_as_soon_as_it_is_right(root):
    shutil.rmtree(root / "output")
    edit(root, PROSE, "measured:total", "measured:totl")
    live = Livereload(root)
    try:
        assert "There is no such page" in live.get("/mini/")
        assert "/.livereload/script.js" in live.get("/mini/")
        edit(root, PROSE, "measured:totl", "measured:total")
        live.reloaded()
        assert "We score" in live.get("/mini/")
    finally:
        live.stop()


def test_an_edit_of_the_engine_starts_it_again_and_is_part_of_every_key(root):
    shutil.copytree(ENGINE, root / "code/lockstep", ignore=shutil.ignore_patterns("__pycache__"))
    live = Livereload(root, PYTHONPATH=str(root / "code"))
    try:
        assert '<span class="line"' in live.get("/mini/code/helpers.py/")
        edit(root, "code/lockstep/site/sources.py", 'class="line"', 'class="line" (')
        live.expect("again")
        live.port = int(live.expect("shows the site").split("/")[2].split(":")[1])
        assert '<span class="line" (' in live.get("/mini/code/helpers.py/")
        edit(root, "code/lockstep/site/sources.py", "def lines(", "def lines((")
        live.expect("the engine goes on as it was")
        assert '<span class="line" (' in live.get("/mini/code/helpers.py/")
    finally:
        live.stop()


def test_the_script_is_on_every_page_that_is_served_and_in_no_file_of_the_site(live, root):
    for place in ("/", "/mini/", "/mini/index.html", "/about/", "/nowhere/"):
        assert f'src="/.livereload/script.js" data-built="{live.last}"' in live.get(place)
    assert "EventSource" in live.get("/.livereload/script.js")
    for path in (root / "output").rglob("*"):
        assert path.is_dir() or b".livereload" not in path.read_bytes(), path


def test_files_outside_the_site_are_not_served(live, root):
    (root / "secret.md").write_text("secret")
    for place in ("/../secret.md", "/%2e%2e/secret.md", "/..%2fsecret.md"):
        assert "secret" not in live.get(place).replace("/secret.md", "")


def test_a_port_that_is_taken_is_a_message(live, root):
    done = lockstep(root, code=SERVE.format(port=live.port))
    assert done.returncode == 1
    assert f"port {live.port} is not to be had" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_in_a_browser_reloads_by_itself_under_the_policy_of_the_site(live, root):
    with chromium() as browser:
        page = browser.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{live.port}/mini/", wait_until="domcontentloaded")
        append(root / PROSE, "\nSeen in the browser.\n")
        page.get_by_text("Seen in the browser.").wait_for(timeout=BOUND * 1000)
        assert errors == []
