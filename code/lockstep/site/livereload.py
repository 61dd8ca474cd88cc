"""`invoke livereload`: serve the site on this machine, and render it again whenever something that it shows changes.

One process that stays warm: the sources are read anew each time, the libraries are not. It writes nothing into the
sources and runs no stage. A page says how it was served, and reloads when it hears of something newer; the script for
that is added on the way to the browser and is never part of the site. The address is that of this machine alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue

import pelican
from watchfiles import DefaultFilter, watch

from lockstep.errors import CheckFailed, LockstepError, Problem
from lockstep.project.project import Project
from lockstep.report.check import check_all
from lockstep.site import search
from lockstep.site.generate import render

ENGINE = Path(__file__).resolve().parents[1]
FOLDERS, FILES = ("content", "code", "theme"), (".toml", ".py", ".md")
HERE = "/.livereload/"
ALIVE = 15.0  # seconds after which a browser that has gone away is noticed
SCRIPT = """const own = document.currentScript.dataset.built;
let events;
function listen() {
  events?.close(); // a hidden page needs no connection, of which a browser opens only a few
  if (document.hidden) return;
  events = new EventSource("/.livereload/events");
  events.onmessage = (event) => { if (event.data !== own) location.reload(); };
}
document.addEventListener("visibilitychange", listen);
listen();
"""


class Built:
    """What was rendered last, known by a name that no other rendering has; those who wait are told of the next."""

    def __init__(self) -> None:
        self._start, self._count = time.time_ns(), 0
        self._changed = threading.Condition()

    @property
    def name(self) -> str:
        return f"{self._start:x}-{self._count}"

    def next(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, known: str) -> str:
        """The name as soon as it is another one, or the same after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self.name != known, timeout=ALIVE)
            return self.name


class Handler(SimpleHTTPRequestHandler):
    """Files of the site, its pages with the script, and the stream of events."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, built: Built, **options: object):
        self.built = built
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path == f"{HERE}events":
            self._events()
        elif self.path == f"{HERE}script.js":
            self._send(SCRIPT.encode(), "text/javascript")
        elif (path := self._page()) is not None:
            self._send(self._with_script(path.read_bytes()), "text/html; charset=utf-8")
        elif not Path(self.translate_path(self.path)).exists():
            self._missing()
        else:
            super().do_GET()

    def _page(self) -> Path | None:
        """The page at the requested address, if it is one."""
        place, path = self.path.partition("?")[0], Path(self.translate_path(self.path))
        path = path / "index.html" if place.endswith("/") else path
        return path if path.suffix == ".html" and path.is_file() else None

    def _missing(self) -> None:
        own = Path(self.directory) / "404.html"
        page = own.read_bytes() if own.is_file() else b"<!doctype html><title>Not here</title><p>There is no such page."
        self._send(self._with_script(page), "text/html; charset=utf-8", 404)

    def _with_script(self, page: bytes) -> bytes:
        script = f'<script src="{HERE}script.js" data-built="{self.built.name}" defer></script>'.encode()
        head, mark, rest = page.partition(b"</head>")
        return head + script + mark + rest

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        known = ""
        with suppress(OSError):  # the browser has gone
            while True:
                name = self.built.wait(known)
                self.wfile.write(f"data: {name}\n\n".encode() if name != known else b": alive\n\n")
                known = name

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """What the browser fetches is of no interest here."""


def serve(root: Path, port: int = 8000) -> None:
    """Until interrupted. Raises LockstepError where the port is taken."""
    pelican.console.quiet = True
    built, output = Built(), Path(os.environ.get("LOCKSTEP_OUTPUT", root / "output"))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, built=built, directory=str(output)))
    except OSError as error:
        raise LockstepError(f"port {port} is not to be had ({error.strerror}): choose another with --port") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watching = changes(root)
    next(watching)  # from here on nothing is missed
    again(root, built)
    print(f"http://127.0.0.1:{server.server_address[1]}/ shows the site; Ctrl-C ends it", flush=True)
    try:
        for paths in watching:
            if any(path.is_relative_to(ENGINE) and path.suffix == ".py" for path in paths):
                restart(paths)
            again(root, built)
    except KeyboardInterrupt:
        print("ended")
    finally:
        server.shutdown()
        server.server_close()


def again(root: Path, built: Built) -> None:
    """Render, have browsers reload, then check and renew the search index; whatever is wrong is said and left."""
    started = time.monotonic()
    project = Project(root)
    problems: list[Problem | str] = []
    folder = None
    try:
        folder, changed = render(project)
        if changed:
            built.next()
            print(f"{len(changed)} files changed, {time.monotonic() - started:.2f} s", flush=True)
    except Exception as error:
        problems += _told(error)
    try:
        problems += check_all(project)
        if folder is not None:
            search.index(folder, root / ".lockstep" / "search")
    except Exception as error:
        problems += _told(error)
    if problems:
        kept = "" if folder else "; the last good site stays"
        print("\n".join(dict.fromkeys(map(str, problems))), f"\nnot as it should be{kept}", flush=True)


def _told(error: Exception) -> list[Problem | str]:
    """A user's mistake in words, anything else with where it happened."""
    if isinstance(error, CheckFailed):
        return [*error.problems]
    return [str(error)] if isinstance(error, LockstepError) else ["".join(traceback.format_exception(error)).rstrip()]


def changes(root: Path) -> Iterator[set[Path]]:
    """Sets of paths that changed, the first of them empty, when everything is being watched."""
    found: SimpleQueue[set[Path]] = SimpleQueue()
    folders = [root / name for name in FOLDERS if (root / name).is_dir()]
    watches: list[threading.Event] = []
    for paths, recursive in ((folders, True), ([root], False)):
        watches.append(threading.Event())
        threading.Thread(target=_watch, args=(paths, recursive, watches[-1], found), daemon=True).start()
    for watch_is_on in watches:
        watch_is_on.wait()
    yield set()
    while True:
        paths = found.get()
        with suppress(Empty):
            while True:
                paths |= found.get_nowait()
        yield paths


def _watch(paths: list[Path], recursive: bool, watches: threading.Event, found: SimpleQueue[set[Path]]) -> None:
    """Of the root itself only files that the site reads count."""
    batches = watch(
        *paths,
        recursive=recursive,
        watch_filter=_Shown(),
        step=20,
        rust_timeout=300,
        yield_on_timeout=True,  # the first of these says that it watches
        raise_interrupt=False,
    )
    for batch in batches:
        watches.set()
        changed = {Path(path) for _, path in batch}
        if changed := {path for path in changed if recursive or path.suffix in FILES}:
            found.put(changed)


class _Shown(DefaultFilter):
    """Not what editors, Python and a write in progress leave behind."""

    ignore_entity_patterns = (*DefaultFilter.ignore_entity_patterns, r"\.part$")


def restart(paths: set[Path]) -> None:
    """The engine itself has changed: start again with it, unless it does not even compile."""
    for path in paths:
        try:
            if path.is_relative_to(ENGINE) and path.suffix == ".py" and path.exists():
                compile(path.read_text(encoding="utf-8"), str(path), "exec")
        except SyntaxError as error:
            print(f"{path}:{error.lineno}: {error.msg}; the engine goes on as it was", flush=True)
            return
    print("the engine changed: starting again", flush=True)
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)
