"""Failures on purpose: each drill breaks one thing in a running service and says what was served all the same.

A drill returns how many requests it made and how many were answered as they should be. The service is the real one,
with its log on disk, called in the process; over HTTP it is the same object.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.service import pipeline
from posts.recommender.service.app import Ask, Service
from posts.recommender.service.bundle import FILES, Bundle, BundleRefused, load
from posts.recommender.service.events import EventLog, NotLogged

if TYPE_CHECKING:
    from lockstep.run import Run

K = 5
TOKEN = "operator"
Paths = dict[str, Path]
Outcome = tuple[int, int]  # requests, and those answered as they should be


def started(bundle: Bundle, log: Path, *others: Bundle, users: int = 20) -> Service:
    """A service with some users who took some items."""
    bundles = {each.digest: each for each in (bundle, *others)}
    service = Service(bundles, bundle.digest, log, TOKEN)
    rng = np.random.default_rng(5)
    for user in range(users):
        for item in rng.choice(len(bundle.popularity), size=4, replace=False):
            service.record({"type": "taken", "user": f"u{user}", "item": int(item)})
    return service


def ask_all(service: Service, times: str, users: int = 20) -> list[dict[str, Any]]:
    """A list for every user."""
    return [service.ask(Ask(f"u{user}", f"{times}-{user}", K)) for user in range(users)]


def damaged(paths: Paths, name: str, folder: Path) -> Paths:
    """The same files, one of them with a changed byte."""
    other = folder / f"damaged-{name}"
    content = bytearray(paths[name].read_bytes())
    content[-3] ^= 1
    other.write_bytes(bytes(content))
    return paths | {name: other}


def index_missing(paths: Paths, folder: Path) -> Outcome:
    """The item vectors are gone: popularity is served."""
    service = started(load(paths | {"vectors.npy": folder / "nowhere"}), folder / "log")
    answers = ask_all(service, "a")
    return len(answers), sum(len(a["items"]) == K and a["source"] == "popularity" for a in answers)


def index_stale(paths: Paths, folder: Path) -> Outcome:
    """The item vectors are those of another build: their digest says so, and popularity is served."""
    service = started(load(damaged(paths, "vectors.npy", folder)), folder / "log")
    answers = ask_all(service, "a")
    return len(answers), sum(len(a["items"]) == K and a["source"] == "popularity" for a in answers)


def ranker_damaged(paths: Paths, folder: Path) -> Outcome:
    """A bundle with a changed ranker is refused, and the one before goes on serving the same lists."""
    before = ask_all(started(load(paths), folder / "log"), "a")
    try:
        load(damaged(paths, "ranker.txt", folder))
    except BundleRefused:
        after = ask_all(started(load(paths), folder / "log2"), "a")
        return len(before), sum(a == b for a, b in zip(before, after, strict=True))
    return len(before), 0


def user_unknown(paths: Paths, folder: Path) -> Outcome:
    """People without a history get what is popular."""
    service = started(load(paths), folder / "log")
    answers = [service.ask(Ask(f"stranger {n}", f"a-{n}", K)) for n in range(20)]
    return len(answers), sum(len(a["items"]) == K and a["source"] == "popularity" for a in answers)


def item_unknown(paths: Paths, folder: Path) -> Outcome:
    """Items newer than the bundle are in the histories: lists follow from the others."""
    service = started(load(paths), folder / "log")
    for user in range(20):
        service.record({"type": "taken", "user": f"u{user}", "item": len(service.serving.popularity) + 7})
    answers = ask_all(service, "a")
    return len(answers), sum(len(a["items"]) == K and a["source"] == "ranked" for a in answers)


def item_deleted(paths: Paths, folder: Path) -> Outcome:
    """What was on most lists is removed: it is on no list afterwards, a restart included."""
    service = started(load(paths), folder / "log")
    shown = [item for answer in ask_all(service, "a") for item in answer["items"]]
    most = max(set(shown), key=shown.count)
    service.record({"type": "removed", "item": service.row_of(most)})
    answers = ask_all(service, "b")
    again = Service({service.serving.digest: service.serving}, service.serving.digest, folder / "log", TOKEN)
    answers += ask_all(again, "c") + [again.ask(Ask("stranger", f"d-{n}", K)) for n in range(20)]
    return len(answers), sum(most not in a["items"] and len(a["items"]) == K for a in answers)


def propensity_zero(paths: Paths, folder: Path) -> Outcome:
    """A list with a propensity of zero does not enter the log: no estimate could use it."""
    log, wrong = EventLog(folder / "log"), [[1.0, 0.0], [1.0, -0.1], [1.0, 1.5], [1.0], [1.0, float("nan")]]
    refused = 0
    for number, propensities in enumerate(wrong):
        event = {"type": "served", "request": str(number), "user": "u", "items": [1, 2], "propensities": propensities}
        try:
            log.append(event)
        except NotLogged:
            refused += 1
    return len(wrong), refused if not (folder / "log").exists() else 0


def another(bundle: Bundle) -> Bundle:
    """A release that explores more: other settings, another digest, the same items."""
    return replace(bundle, digest="f" * 64, pipeline=replace(bundle.pipeline, explore=1.0))


def rolled_back(paths: Paths, folder: Path) -> Outcome:
    """A new bundle is served and taken back: the lists are those from before, and the log knows who made which."""
    bundle = load(paths)
    service = started(bundle, folder / "log", another(bundle))
    before = ask_all(service, "a")
    service.choose("f" * 64)
    between = ask_all(service, "a")
    service.choose(bundle.digest)
    after = ask_all(service, "a")
    changed = any(a["items"] != b["items"] for a, b in zip(before, between, strict=True))
    return len(after), sum(a == b for a, b in zip(before, after, strict=True)) if changed else 0


def replayed(paths: Paths, folder: Path) -> Outcome:
    """Every list in the log, of two bundles and after a removal, is made again bit for bit."""
    bundle = load(paths)
    other = another(bundle)
    service = started(bundle, folder / "log", other)
    for turn in range(3):
        ask_all(service, f"turn {turn}")
        service.record({"type": "taken", "user": "u1", "item": turn})
        service.record({"type": "removed", "item": turn + 10})
        service.choose(other.digest if turn == 0 else bundle.digest)
    count, different = pipeline.replay(folder / "log", {b.digest: b for b in (bundle, other)})
    return count, count - len(different)


def log_cut_off(paths: Paths, folder: Path) -> Outcome:
    """The process died while it wrote a line: a restart leaves that line out and goes on."""
    bundle = load(paths)
    service = started(bundle, folder / "log")
    ask_all(service, "a")
    with (folder / "log").open("ab") as file:
        file.write(b'{"type": "served", "requ')
    again = Service({bundle.digest: bundle}, bundle.digest, folder / "log", TOKEN)
    ask_all(again, "b")
    count, different = pipeline.replay(folder / "log", {bundle.digest: bundle})
    return 40, count - len(different)


def flash_crowd(paths: Paths, folder: Path) -> Outcome:
    """Five thousand strangers take one item within a moment: nobody else's list changes until a build weighs them."""
    service = started(load(paths), folder / "log")
    before = ask_all(service, "a")
    for number in range(5000):
        service.record({"type": "taken", "user": f"crowd {number}", "item": 3})
    after = ask_all(service, "a")
    return len(after), sum(a == b for a, b in zip(before, after, strict=True))


DRILLS: tuple[Callable[[Paths, Path], Outcome], ...] = (
    *(index_missing, index_stale, ranker_damaged, user_unknown, item_unknown, item_deleted, propensity_zero),
    *(rolled_back, replayed, log_cut_off, flash_crowd),
)


def run_all(run: Run) -> list[dict[str, Any]]:
    """Every drill on the bundle that was built: requests, and the share answered as they should be."""
    (made,) = run.inputs
    rows = []
    for drill in DRILLS:
        folder = Path(tempfile.mkdtemp(prefix="drill-"))
        paths = {name: made.open(name) for name in (*FILES, "manifest.json")}
        asked, right = drill(paths, folder)
        shutil.rmtree(folder)
        rows.append({"drill": drill.__name__, "requests": asked, "as_expected": 100 * right / asked})
    return rows
