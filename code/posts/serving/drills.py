"""Failure drills: each breaks the server on purpose, and says in numbers what came of it.

A drill is a function that returns `kept` (1 where the promise held), and what it counted. Each takes `control`: then
the part that should keep the promise is taken away, and the drill must notice, so that none can pass by not looking.
Drills that kill or drain use real processes; the others drive the application in this process, without a network.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from posts.serving import client, lora, pages
from posts.serving import engine as engines
from posts.serving.engine import Request, complete
from posts.serving.sampling import Sampling
from posts.serving.scene import CHAT, SOON, Call, Scene, Unhurried, serving, until
from posts.serving.service import app
from posts.serving.service.start import Process, listener

if TYPE_CHECKING:
    from lockstep.run import Run

Row = dict[str, float]


def drains(scene: Scene, control: bool) -> Row:
    """A server is replaced under load, again and again: every request is answered whole. Control: killed, not
    drained."""

    async def load(port: int, stop: asyncio.Event, ended: list[bool]) -> None:
        while not stop.is_set():
            try:
                got = await client.stream(port, CHAT, scene.asked(8, model="tiny"))
                ended.append(got.done and got.usage == {} and got.reason == "length")
            except (OSError, asyncio.IncompleteReadError, client.Refused):
                ended.append(False)

    async def play() -> Row:
        listening, ended, stop = listener(), [], asyncio.Event()
        loop = asyncio.get_running_loop()

        def begun(number: int) -> Process:
            made = Process(
                scene.directory / f"{number}", listening, model="tiny", weights="float32", pages=64, context=256
            )
            made.start()
            return made

        running = begun(0)
        clients = [asyncio.create_task(load(running.port, stop, ended)) for _ in range(4)]
        await until(lambda: len(ended) > 4)
        for number in range(1, scene.times + 1):
            following = begun(number)
            before = len(ended)
            await loop.run_in_executor(None, following.wait)
            running.kill() if control else running.terminate()
            await loop.run_in_executor(None, running.stop)
            running = following
            await until(lambda before=before: len(ended) > before)
        stop.set()
        await asyncio.gather(*clients)
        await loop.run_in_executor(None, running.stop)
        listening.close()
        lost = len(ended) - sum(ended)
        return {"kept": float(lost == 0 and len(ended) > scene.times), "sent": float(len(ended)), "lost": float(lost)}

    return asyncio.run(play())


def killed(scene: Scene, control: bool) -> Row:
    """kill −9 while streams run: their clients see it, and a new process answers soon. Control: nothing is killed."""

    async def play(server: Process) -> list[bool]:
        connections = [client.Connection(server.port) for _ in range(3)]
        streams = []
        for connection in connections:
            await connection.open(CHAT, scene.asked(380))
            streams.append(connection.events())
        for stream in streams:
            await anext(stream)
        if not control:
            server.kill()
        whole = await asyncio.gather(*map(to_the_end, streams))
        for connection in connections:
            connection.close()
        return list(whole)

    async def to_the_end(stream: Any) -> bool:
        """Does it come to [DONE]?"""
        try:
            return None in [event async for event in stream]
        except (OSError, asyncio.IncompleteReadError, ValueError):  # broken off, maybe within an event
            return False

    with Process(scene.directory / "first", model=scene.served, context=512) as server:
        whole = asyncio.run(play(server))
    began = time.monotonic()
    with Process(scene.directory / "second", model=scene.served, context=512):
        seconds = time.monotonic() - began
    return {"kept": float(not any(whole)), "sent": float(len(whole)), "ready_after": seconds}


def disconnect(scene: Scene, control: bool) -> Row:
    """A client goes in mid-stream: what is computed for it after the step under way? Control: nobody looks for it."""

    async def play() -> Row:
        late, engine, patience = 0, scene.engine(), 1.0 if control else SOON
        engine.model = Unhurried(scene.model)  # type: ignore[assignment]
        original = app.disconnected
        if control:
            app.disconnected = lambda receive: asyncio.Event().wait()  # type: ignore[assignment]
        try:
            async with serving(engine) as server:
                for _ in range(scene.times):
                    call = Call(server, scene.asked(100))
                    await call.chunks(scene.random.randint(2, 8))
                    call.gone.set()
                    under_way = engine.steps + 1
                    await until(call.task.done, patience)
                    await until(lambda: engine.idle, patience)
                    late += sum(row.step > under_way and bool(row.chunks) for row in engine.rows)
                    engine.rows.clear()
                    call.task.cancel()
                    await until(lambda: engine.idle)
        finally:
            app.disconnected = original
        return {"kept": float(late == 0), "sent": float(scene.times), "late": float(late)}

    return asyncio.run(play())


def slow_reader(scene: Scene, control: bool) -> Row:
    """A client that takes nothing is ended, and others are not slowed. Control: patience without end."""

    async def play() -> Row:
        engine = scene.engine()
        async with serving(engine, stall=60.0 if control else 0.3) as server:
            slow = Call(server, scene.asked(300), takes=3)
            await until(slow.blocked.is_set)
            quick = Call(server, scene.asked(20))
            await until(quick.task.done)
            ended = await until(slow.task.done, 3.0 if control else SOON)
            clean = await until(lambda: engine.idle, SOON) and engine.pages.used == 0
            slow.task.cancel()
        served = quick.sent[-1]["body"].endswith(b"data: [DONE]\n\n")
        return {"kept": float(ended and served and clean), "sent": 2.0}

    return asyncio.run(play())


def flood(scene: Scene, control: bool) -> Row:
    """Far more requests than fit: turned away at once, the queue bounded, those let in served. Control: no bound."""
    most = 1500

    async def play() -> Row:
        engine, longest = scene.engine(sequences=4), 0
        async with serving(engine, queue_tokens=10**9 if control else most) as server:
            calls = []
            for _ in range(40):
                calls.append(Call(server, scene.asked(40)))
                await asyncio.sleep(0)
                longest = max(longest, server.loop.queued)
            while not all(call.task.done() for call in calls):
                longest = max(longest, server.loop.queued)
                await asyncio.sleep(0.005)
        served = sum(call.status == 200 and call.sent[-1]["body"].endswith(b"[DONE]\n\n") for call in calls)
        turned = [call for call in calls if call.status == 429]
        told = all(dict(call.sent[0]["headers"]).get(b"retry-after", b"0") >= b"1" for call in turned)
        kept = longest <= most and turned and told and served + len(turned) == len(calls)
        counts = {"sent": float(len(calls)), "refused": float(len(turned)), "longest": float(longest)}
        return {"kept": float(bool(kept))} | counts

    return asyncio.run(play())


def corrupt_adapter(scene: Scene, control: bool) -> Row:
    """Every way to damage an adapter's file: refused, and the answers stay. Control: the new file is whole."""
    shape = scene.model.shape
    good, engine = lora.random_adapter(shape, 1, 2, 0.5), scene.engine()
    engine.load(lora.read("a", good, shape))
    ask = [Request("r", scene.prompt(20), Sampling(16, ignore_eos=True), "a")]
    before = complete(engine, ask)["r"].tokens
    other = lora.random_adapter(shape, 2, 2, 0.5)
    damaged = [other] if control else [other[:cut] for cut in (0, 7, 100, len(other) // 2, len(other) - 1)]
    damaged += [] if control else [other.replace(b"0.down.", b"0.dawn."), b"\xff" * 64 + other[64:]]
    refused = 0
    for content in damaged:
        try:
            engine.load(lora.read("a", content, shape))
        except lora.BadAdapter:
            refused += 1
    same = complete(engine, ask)["r"].tokens == before
    return {"kept": float(same and refused == len(damaged)), "sent": float(len(damaged)), "refused": float(refused)}


def kv_full(scene: Scene, control: bool) -> Row:
    """More than the cache holds: some go back to wait, all end as they would alone. Control: pages get lost."""
    asked = [Request(str(n), scene.prompt(30), Sampling(40, ignore_eos=True)) for n in range(8)]
    alone = {one.id: complete(scene.engine(), [one])[one.id].tokens for one in asked}
    engine = scene.engine(pages=12, sequences=8, share=False)
    if control:
        engine.pages.release = lambda taken: type(engine.pages).release(engine.pages, taken[1:])  # type: ignore
        steps = 0
        for one in asked:
            engine.submit(one)
        while not engine.idle and steps < 2000:
            engine.step()
            steps += 1
        return {"kept": float(engine.idle and not engine.problems()), "sent": 8.0}
    answers = complete(engine, asked)
    whole = sum(len(answer.tokens) == 40 for answer in answers.values())
    same = sum(answers[id].tokens == tokens for id, tokens in alone.items())
    kept = whole == len(asked) and not engine.problems() and engine.pages.used == 0 and engine.preemptions > 0
    return {"kept": float(kept), "sent": float(len(asked)), "same": float(same), "preempted": float(engine.preemptions)}


def clock_jump(scene: Scene, control: bool) -> Row:
    """The wall clock jumps a day ahead and back: no deadline notices. Control: an engine that reads the wall clock."""
    shift = [0.0]
    original, time.time = time.time, lambda: original() + shift[0]
    try:
        engine = scene.engine(clock=(lambda: time.time()) if control else time.monotonic)
        now = engine.clock()
        for n in range(6):
            engine.submit(Request(str(n), scene.prompt(20), Sampling(20, ignore_eos=True), deadline=now + 3600))
        reasons = []
        for step in range(10_000):
            shift[0] = (0.0, 86_400.0, -86_400.0)[step % 3]
            reasons += [event.reason for event in engine.step() if event.reason]
            if engine.idle:
                break
    finally:
        time.time = original
    ended = sum(reason == "length" for reason in reasons)
    return {"kept": float(ended == 6), "sent": 6.0, "lost": float(6 - ended)}


def poisoned_prefix(scene: Scene, control: bool) -> Row:
    """Prompts made so that a weak digest takes them for another's: nobody reads a page of theirs. Control: a weak
    one."""
    original = pages.digest

    def weak(before: bytes, tokens: Any) -> bytes:
        return hashlib.blake2b(bytes([sum(before) % 256, sum(tokens) % 256]), digest_size=16).digest()

    def forged(prompt: tuple[int, ...]) -> tuple[int, ...]:
        """The same sums a page, other tokens."""
        made = list(prompt)
        for at in range(0, len(made) - 1, 2):
            made[at], made[at + 1] = made[at + 1], made[at]
        return tuple(made)

    victims = [scene.prompt(40) for _ in range(scene.times)]
    alone = [
        complete(scene.engine(share=False), [Request("v", one, Sampling(12, ignore_eos=True))])["v"] for one in victims
    ]
    if control:
        pages.digest = engines.digest = weak
    try:
        engine, changed, taken = scene.engine(), 0, 0
        for victim, expected in zip(victims, alone, strict=True):
            complete(engine, [Request("a", forged(victim), Sampling(1, ignore_eos=True))])
            got = complete(engine, [Request("v", victim, Sampling(12, ignore_eos=True))])["v"]
            changed += got.tokens != expected.tokens
            taken += got.end.cached_tokens > 0
    finally:
        pages.digest = engines.digest = original
    return {"kept": float(taken == 0), "sent": float(len(victims)), "changed": float(changed)}


def cancels(scene: Scene, control: bool) -> Row:
    """A thousand random cancels: every page is free afterwards. Control: a cancel that forgets one page in ten."""
    engine = scene.engine(pages=40, sequences=6, budget=48, chunk=24)
    if control:
        release = engine.pages.release
        engine.pages.release = lambda taken: release(taken[:-1] if scene.random.random() < 0.1 else taken)  # type: ignore
    alive: list[str] = []
    cancelled = number = 0
    while cancelled < 10 * scene.times and (not control or number < 200):
        while len(alive) < 9:
            asked = Sampling(scene.random.randint(1, 30), ignore_eos=True)
            engine.submit(Request(str(number), scene.prompt(scene.random.randint(1, 60)), asked))
            alive.append(str(number))
            number += 1
        for id in scene.random.sample(alive, scene.random.randint(0, 5)):
            engine.cancel(id)
        for event in engine.step():
            if event.reason:
                alive.remove(event.id)
                cancelled += event.reason == "cancelled"
        if control and engine.problems():
            break
    while not engine.idle and not engine.problems():
        engine.step()
    lost = engine.pages.total - engine.pages.available
    return {"kept": float(lost == 0 and not engine.problems()), "sent": float(cancelled), "lost": float(lost)}


DRILLS: dict[str, Callable[[Scene, bool], Row]] = {
    "drains": drains,
    "killed": killed,
    "disconnect": disconnect,
    "slow_reader": slow_reader,
    "flood": flood,
    "corrupt_adapter": corrupt_adapter,
    "kv_full": kv_full,
    "clock_jump": clock_jump,
    "poisoned_prefix": poisoned_prefix,
    "cancels": cancels,
}


def perform(run: Run) -> list[dict[str, Any]]:
    """Every drill, and every control; the seed decides when it strikes."""
    from posts.serving import calibration
    from posts.serving.weights import read

    config = run.config
    base = read(run.data("base"))
    base.tokenizer.encode_special_tokens = True
    model, rows = calibration.model(base, "int8"), []
    for name in config.drills:
        for control in (False, True):
            times = min(config.strikes, 3) if control else config.strikes
            served = "tiny" if base.name == "tiny" else "smollm2"
            scene = Scene(run.scratch / "drill" / f"{name}{control}", base, model, run.seed, times, served)
            rows.append({"drill": name, "control": int(control)} | DRILLS[name](scene, control))
            run.progress(len(rows), 2 * len(config.drills))
    return rows
