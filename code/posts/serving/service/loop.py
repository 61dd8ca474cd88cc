"""The engine in a thread of its own, and streams of its events for the coroutines that answer requests.

One thread computes and one speaks HTTP; what goes between them are whole calls, made between steps, and the events of a
step, handed over at once. PyTorch lets go of the interpreter's lock while it computes, so HTTP is answered meanwhile.
A stream that nobody reads costs what its request may write and no more, because the request ends at `max_tokens`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from posts.serving.engine import Engine, Event, Request
from posts.serving.service.metrics import Metrics

T = TypeVar("T")
FADE = 0.9  # of the running mean of the speed, from one step to the next


class Stream:
    """The events of one request, in order. `to_come`: tokens that it may still cost."""

    def __init__(self, request: Request):
        self.request = request
        self.to_come = len(request.prompt) + request.sampling.max_tokens
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.began = self.last = time.monotonic()
        self.first = True


class Loop:
    """Runs an engine until `stop`. All methods but `stop` belong to the event loop's thread."""

    def __init__(self, engine: Engine, metrics: Metrics):
        self.engine, self.metrics = engine, metrics
        self.calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.streams: dict[str, Stream] = {}
        self.speed = 50.0  # tokens a second, until it is known
        self.broken = ""
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.seen = (0, 0, 0)

    def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread.start()

    def stop(self) -> None:
        self.calls.put(None)

    @property
    def queued(self) -> int:
        """Tokens that may still have to be computed."""
        return sum(stream.to_come for stream in self.streams.values())

    async def call(self, function: Callable[[], T]) -> T:
        """Between two steps, in the engine's thread; its value, or what it raises."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self.calls.put(work)
        return await asyncio.wrap_future(future)

    async def submit(self, request: Request) -> Stream:
        """Raises Refused or BadGrammar as the engine does; then there is no stream."""
        stream = self.streams[request.id] = Stream(request)
        try:
            await self.call(lambda: self.engine.submit(request))
        except BaseException:
            del self.streams[request.id]
            raise
        return stream

    def cancel(self, stream: Stream) -> None:
        """Nobody waits for it any more: no step that begins from now on computes a token of it."""
        id = stream.request.id
        if self.streams.pop(id, None) is not None:
            self.calls.put(lambda: self.engine.cancel(id))

    def _run(self) -> None:
        engine = self.engine
        while True:
            try:
                while engine.idle or not self.calls.empty():
                    if (work := self.calls.get()) is None:
                        return
                    work()
                started, before = time.monotonic(), engine.computed
                events = engine.step()
                taken = engine.computed - before, time.monotonic() - started
                self._tell(self._deliver, events, *taken)
            except Exception as error:  # the engine's own: nothing after it can be trusted
                self._tell(self._break, f"{type(error).__name__}: {error}")
                return

    def _tell(self, what: Callable[..., Any], *arguments: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:  # the event loop has ended before the engine did
            return

    def _deliver(self, events: list[Event], tokens: int, seconds: float) -> None:
        now, metrics = time.monotonic(), self.metrics
        if tokens:
            self.speed = FADE * self.speed + (1 - FADE) * tokens / max(seconds, 1e-6)
            metrics.step.observe(tokens)
        for event in events:
            if event.reason:
                metrics.ended.labels(event.reason).inc()
                metrics.prompt.inc(event.prompt_tokens)
            stream = self.streams.get(event.id)
            if event.token is not None:
                metrics.generation.inc()
            if stream is None:
                continue
            if event.token is not None:
                stream.to_come -= 1 + (len(stream.request.prompt) if stream.first else 0)
                (metrics.first if stream.first else metrics.each).observe(now - stream.last)
                stream.first, stream.last = False, now
            stream.events.put_nowait(event)
            if event.reason:
                metrics.whole.observe(now - stream.began)
                del self.streams[event.id]

    def _break(self, told: str) -> None:
        self.broken = told
        for stream in self.streams.values():
            stream.events.put_nowait(Event(stream.request.id, told, None, "error"))
        self.streams.clear()

    def observe(self) -> None:
        """Bring the gauges, and what the engine counts, up to date."""
        from posts.serving.model import PAGE

        engine, metrics = self.engine, self.metrics
        metrics.running.set(len(engine.running))
        metrics.waiting.set(len(engine.waiting))
        metrics.cache.set(engine.pages.used / engine.pages.total)
        metrics.queued.set(self.queued)
        now = (engine.pages.queries * PAGE, engine.pages.hits * PAGE, engine.preemptions)
        counters = (metrics.queries, metrics.hits, metrics.preemptions)
        for counter, value, before in zip(counters, now, self.seen, strict=True):
            counter.inc(value - before)
        self.seen = now
