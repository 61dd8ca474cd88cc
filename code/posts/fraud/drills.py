"""Failure drills: each breaks the service on purpose, and says in numbers what came of it.

A drill is a function that returns `kept` (1 where the promise held), and what it counted. The same functions are tests.
Those that kill a process start a real one; the others drive the application in this process, with a clock of events.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from lockstep.errors import LockstepError

from posts.fraud.batch import features
from posts.fraud.data import DAY, Transactions, transactions
from posts.fraud.features import NAMES
from posts.fraud.load import EPOCH, install, payment
from posts.fraud.model import Settings, fit
from posts.fraud.service import compact
from posts.fraud.service.alerts import raised, silent_after
from posts.fraud.service.app import App
from posts.fraud.service.drift import WATCHED, WINDOW, Drift, bins
from posts.fraud.service.engine import Engine, Transaction
from posts.fraud.service.journal import FileJournal, JournalFailed
from posts.fraud.service.start import Service
from posts.fraud.studies import stores

if TYPE_CHECKING:
    from lockstep.run import Run

DELAY = 7 * DAY
SHORT, LONG = 20_000, 200_000  # transactions that a drill looks at, where it needs no more
Row = dict[str, float]


class Scene:
    """Where a drill plays: a folder of its own, transactions to send, and a model."""

    def __init__(self, directory: Path, world: Transactions, model: str, seed: int):
        self.directory, self.world, self.model = directory, world, model
        self.rng = np.random.default_rng(seed)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)

    def app(self, name: str = "service", journal: Any = None) -> App:
        """An application in this process, with the model on all transactions."""
        directory = self.directory / name
        digest = install(directory, self.model)
        app = App(Engine(directory, DELAY), journal or FileJournal(directory / "journal.bin"), EPOCH, gather=0.0)
        app.committer.journal.commit(app.engine.move("all", digest))
        return app


async def ask(app: App, method: str, path: str, content: Any = None) -> tuple[int, Any]:
    """One request, without a network."""
    body, sent = msgspec.json.encode(content) if content is not None else b"", []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


def killed(scene: Scene) -> Row:
    """kill −9 while transactions stream in: every acknowledged one must be there, and the state must be the same."""
    directory, acknowledged = scene.directory / "service", {}
    digest = install(directory, scene.model)
    stop_at = int(scene.rng.integers(60, 120))

    def stream(service: Service) -> None:
        for row in range(stop_at):
            acknowledged[row] = service.ask("POST", "/score", payment(scene.world, row))

    with Service(directory) as service:
        service.ask("POST", "/models", {"action": "all", "digest": digest})
        stream(service)
        asyncio.run(
            abandoned(service.port, [payment(scene.world, row) for row in range(stop_at, stop_at + 40)], service)
        )
    with Service(directory) as service:
        lost = sum(
            service.ask("POST", "/score", payment(scene.world, row)) != acknowledged[row] for row in acknowledged
        )
        state = service.ask("GET", "/state")
    journal = FileJournal(directory / "journal.bin")
    again = compact.opened(directory, journal, DELAY)
    same = again.digest() == state["digest"]
    return {"kept": float(lost == 0 and same), "sent": float(stop_at), "lost": float(lost)}


async def abandoned(port: int, payments: list[dict[str, Any]], service: Service) -> None:
    """Send many at once and kill the service before it has answered them."""
    writers = []
    for one in payments:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = msgspec.json.encode(one)
        writer.write(b"POST /score HTTP/1.1\r\nHost: drill\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writers.append(writer)
    await asyncio.gather(*(writer.drain() for writer in writers))
    service.kill()
    for writer in writers:
        writer.transport.abort()


def torn(scene: Scene) -> Row:
    """A crash in the middle of a write, at every byte of the last record: cut off, and nothing before it lost."""
    path, good = scene.directory / "journal.bin", [bytes([n]) * (n + 1) for n in range(20)]
    journal = FileJournal(path)
    journal.commit(good)
    journal.close()
    whole, kept = path.read_bytes(), 0
    last = len(good[-1]) + 16
    for missing in range(1, last + 1):
        path.write_bytes(whole[:-missing])
        journal = FileJournal(path)
        kept += [payload for _, payload in journal.read()] == good[:-1] and path.stat().st_size == len(whole) - last
        journal.close()
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    try:
        FileJournal(path)
        refused = False
    except LockstepError:
        refused = True  # damage with good records behind it is no torn write
    return {"kept": float(kept == last and refused), "sent": float(last), "lost": float(last - kept)}


def duplicated(scene: Scene) -> Row:
    """Every transaction twice, and some a third time with another amount: counted once, and the last kind refused."""

    async def play() -> Row:
        app, differing, refused = scene.app(), 0, 0
        for row in range(200):
            one = payment(scene.world, row)
            (_, first), (_, second) = await asyncio.gather(
                ask(app, "POST", "/score", one), ask(app, "POST", "/score", one)
            )
            differing += first != second
            status, _ = await ask(app, "POST", "/score", one | {"cents": one["cents"] + 1})
            refused += status == 409
        counted = sum(card.seen for card in app.engine.windows.cards.values())
        records = sum(1 for _ in app.committer.journal.read())
        await app.committer.close()
        kept = differing == 0 and refused == counted == 200 and records == 201
        return {"kept": float(kept), "sent": 600.0, "lost": float(differing)}

    return asyncio.run(play())


def clocks(scene: Scene) -> Row:
    """Late by hours, ahead by a day, and without an offset: counted at the newest time, refused, refused."""

    async def play() -> Row:
        app = scene.app()
        for row in range(100):
            await ask(app, "POST", "/score", payment(scene.world, row))
        clock = app.engine.windows.clock
        late = payment(scene.world, 0, number=1_000_000)
        _, answer = await ask(app, "POST", "/score", late)
        ahead = payment(scene.world, 0, number=1_000_001) | {"time": "2018-09-01T00:00:00+00:00"}
        status, _ = await ask(app, "POST", "/score", ahead)
        naive, _ = await ask(app, "POST", "/score", late | {"id": 1_000_002, "time": "2018-04-01T00:00:00"})
        kept = answer["late"] and app.engine.windows.clock == clock and (status, naive) == (409, 422)
        await app.committer.close()
        return {"kept": float(kept), "sent": 103.0}

    return asyncio.run(play())


class Failing(FileJournal):
    """A file whose disk is full for a while."""

    full = False

    def commit(self, records: Any) -> None:
        if self.full:
            raise JournalFailed("no space left")
        super().commit(records)


def store_gone(scene: Scene) -> Row:
    """The store takes nothing: rules decide and say so; when it is back, what was kept is written, and nothing lost."""

    async def play() -> Row:
        journal = Failing(scene.directory / "service" / "journal.bin")
        app, answers = scene.app(journal=journal), []
        app.committer.failed_at = 0.0
        for row in range(60):
            journal.full = 20 <= row < 40
            if row == 40:
                app.committer.failed_at = float("-inf")  # a second has passed
            answers.append((await ask(app, "POST", "/score", payment(scene.world, row)))[1])
        degraded = [row for row, answer in enumerate(answers) if answer["degraded"]]
        same = compact.opened(scene.directory / "service", journal, DELAY).digest() == app.engine.digest()
        await app.committer.close()
        kept = same and degraded == list(range(20, 40)) and not raised(app.engine, app.committer.degraded)
        return {"kept": float(kept), "sent": 60.0, "by_rules": float(len(degraded))}

    return asyncio.run(play())


def bad_model(scene: Scene) -> Row:
    """A model trained on labels turned round goes into the shadow: after how many transactions is it taken back?"""

    async def play() -> Row:
        app = scene.app()
        some = head(scene.world, SHORT)
        bad = fit(features(some, DELAY), 1 - some.fraud_N, Settings(5, 4, 0.5, 5), 0)
        digest = install(scene.directory / "service", bad)
        await ask(app, "POST", "/models", {"action": "shadow", "digest": digest})
        until = 0
        while app.engine.rollout.challenger and until < 1000:
            await ask(app, "POST", "/score", payment(scene.world, until))
            until += 1
        alerts = raised(app.engine, False)
        kept = not app.engine.rollout.challenger and "ModelTakenBack" in alerts
        again = compact.opened(scene.directory / "service", app.committer.journal, DELAY)
        kept = kept and again.rollout.champion == app.engine.rollout.champion and not again.rollout.challenger
        await app.committer.close()
        return {"kept": float(kept), "until": float(until)}

    return asyncio.run(play())


def labels_stop(scene: Scene) -> Row:
    """The feed goes silent: an alert after how many transactions, and none before?"""

    async def play() -> Row:
        app, world = scene.app(), scene.world
        start = int(np.searchsorted(world.time_N, DELAY)) + 200
        early = 0
        for row in range(start):
            app.engine.decide(app_event(world, row))
            due = np.searchsorted(world.time_N, world.time_N[row] - DELAY)
            for number in range(int(early), int(due)):
                app.engine.label(number, bool(world.fraud_N[number]))
            early = max(early, due)
        false_alarm = "LabelsStopped" in raised(app.engine, False)
        until = 0
        for row in range(start, len(world)):
            app.engine.decide(app_event(world, row))
            until += 1
            if "LabelsStopped" in raised(app.engine, False):
                break
        await app.committer.close()
        return {"kept": float(not false_alarm and until <= silent_after() + 1), "until": float(until)}

    return asyncio.run(play())


def head(world: Transactions, rows: int) -> Transactions:
    """The first so many transactions."""
    columns = {name: column if name == "mean_C" else column[:rows] for name, column in vars(world).items()}
    return Transactions(**columns)


def app_event(world: Transactions, row: int) -> Transaction:
    """A row as the engine takes it."""
    columns = (world.time_N, world.customer_N, world.terminal_N, world.cents_N)
    return Transaction(row, *(int(column[row]) for column in columns))


def drift(scene: Scene) -> Row:
    """All amounts a half higher from one transaction on: an alert long before the first label of them is due."""
    world = head(scene.world, LONG)
    x_NF = features(world, DELAY)
    half = len(world) // 2
    watched = {name: bins(x_NF[half // 2 : half, NAMES.index(name)]) for name in WATCHED if name != "card_count_7d"}
    watch, alarms, began = Drift(watched, half - half // 2), {False: 0, True: 0}, half + 2 * WINDOW
    until = 0
    for row in range(half, min(len(world), began + 4 * WINDOW)):
        injected = row >= began
        values = {
            name: x_NF[row, NAMES.index(name)] * (1.5 if injected and "amount" in name else 1) for name in watched
        }
        watch.observe(values)
        if watch.drifted and watch.seen == 0:
            alarms[injected] += 1
            if injected:
                until = row - began + 1
                break
    first_label = int(np.searchsorted(world.time_N, world.time_N[began] + DELAY)) - began
    return {"kept": float(alarms == {False: 0, True: 1} and until < first_label), "until": float(until)}


def redis_killed(scene: Scene) -> Row:
    """The Redis under the journal is killed, and comes back."""
    return stores.killed("redis", scene.directory)


def broker_killed(scene: Scene) -> Row:
    """The brokers under the journal are gone: the batch fails within the patience, and says so."""
    return stores.killed("kafka", scene.directory)


DRILLS: dict[str, Callable[[Scene], Row]] = {
    "killed": killed,
    "torn": torn,
    "duplicated": duplicated,
    "clocks": clocks,
    "store_gone": store_gone,
    "bad_model": bad_model,
    "labels_stop": labels_stop,
    "drift": drift,
    "redis_killed": redis_killed,
    "broker_killed": broker_killed,
}


def perform(run: Run) -> list[dict[str, Any]]:
    """Every drill once; the seed decides when it strikes."""
    world = transactions(run.data("transactions"))
    model = run.inputs[0].open("model.txt").read_text(encoding="utf-8")
    rows = []
    for name in run.config.drills:
        scene = Scene(run.scratch / "drill", world, model, run.seed)
        rows.append({"drill": name} | DRILLS[name](scene))
        run.progress(len(rows), len(run.config.drills))
    shutil.rmtree(run.scratch / "drill", ignore_errors=True)
    return rows
