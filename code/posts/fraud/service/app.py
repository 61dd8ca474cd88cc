"""HTTP, as a bare ASGI application, and group commit: an answer is given when it is on disk.

    POST /score      one transaction            200 an answer · 409 seen with other content · 422 not a transaction
    POST /labels     [[id, fraud], …]           200 how many found their transaction
    POST /models     {"action", "digest"}       200 · 409 where a gate is closed
    GET  /health, /metrics, /alerts, /state

While one batch is written, the next gathers. If the store fails, the batch is kept and tried again, and until that
succeeds rules decide: their answers say so, and change no state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import msgspec
from lockstep.errors import LockstepError

from posts.fraud.service.alerts import raised
from posts.fraud.service.decide import threshold
from posts.fraud.service.engine import Answer, Engine, Refused, Transaction
from posts.fraud.service.journal import Journal, JournalFailed
from posts.fraud.service.metrics import Metrics
from posts.fraud.service.scorer import RULES, by_rules

Send = Callable[[dict[str, Any]], Awaitable[None]]
LONGEST = 1 << 20  # bytes of a request
RETRY = 1.0  # seconds between attempts on a store that failed
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]  # what JSON can carry everywhere
Cents = Annotated[int, msgspec.Meta(ge=0, le=100_000_000_00)]  # of 0: a card is checked
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Payment(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends. `time` is an instant, such as 2018-04-01T09:30:00+02:00: one without offset is refused."""

    id: Number
    time: Instant
    card: Number
    terminal: Number
    cents: Cents


class Move(msgspec.Struct, forbid_unknown_fields=True):
    action: str
    digest: str = ""


PAYMENT, LABELS = msgspec.json.Decoder(Payment), msgspec.json.Decoder(list[tuple[int, bool]])
MOVE = msgspec.json.Decoder(Move)
JSON = msgspec.json.Encoder()


class Committer:
    """Group commit. A record's future is done when it is durable, or failed when its store has failed."""

    def __init__(self, journal: Journal, metrics: Metrics, gather: float):
        self.journal, self.metrics, self.gather = journal, metrics, gather
        self.waiting: list[tuple[list[bytes], asyncio.Future[None]]] = []
        self.kept: list[bytes] = []  # a batch that the store did not take
        self.task: asyncio.Task[None] | None = None
        self.pool = ThreadPoolExecutor(1)
        self.failed_at = 0.0

    @property
    def degraded(self) -> bool:
        return bool(self.kept)

    def add(self, records: list[bytes]) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((records, future))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())
        return future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            if self.gather:
                await asyncio.sleep(self.gather)
            batch, self.waiting = self.waiting, []
            records = [record for group, _ in batch for record in group]
            try:
                await loop.run_in_executor(self.pool, self.journal.commit, [*self.kept, *records])
                self.kept = []
                self.metrics.batch.observe(len(records))
            except JournalFailed as failure:
                self.kept, self.failed_at = [*self.kept, *records], loop.time()
                for _, future in batch:
                    if not future.done():
                        future.set_exception(failure)
                continue
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    async def again(self) -> bool:
        """Try the kept batch once more, if it is time; True where the store takes it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self.failed_at + RETRY:
            return False
        self.failed_at = loop.time()
        try:
            await self.add([])
        except JournalFailed:
            return False
        return True

    async def close(self) -> None:
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)
        self.pool.shutdown()
        self.journal.close()


class App:
    """The ASGI application over one engine and one journal. `epoch`: the instant that is second 0."""

    def __init__(self, engine: Engine, journal: Journal, epoch: datetime, gather: float = 0.002):
        self.engine, self.epoch = engine, int(epoch.timestamp())
        self.metrics = Metrics()
        self.committer = Committer(journal, self.metrics, gather)

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body") or len(body) > LONGEST:
                break
        status, answer = await self._answer(scope["method"], scope["path"], body)
        kind = b"text/plain; version=0.0.4" if scope["path"] == "/metrics" else b"application/json"
        headers = [(b"content-type", kind), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        handlers = {
            ("POST", "/score"): self._score,
            ("POST", "/labels"): self._labels,
            ("POST", "/models"): self._models,
        }
        try:
            if (method, path) in handlers:
                return await handlers[method, path](body)
            if method == "GET":
                return self._tell(path)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            self.metrics.refused.inc()
            return 422, JSON.encode({"error": str(error)})
        except Refused as error:
            self.metrics.refused.inc()
            return 409, JSON.encode({"error": str(error)})
        except LockstepError as error:
            return 503, JSON.encode({"error": str(error)})
        return 404, JSON.encode({"error": f"nothing is at {method} {path}"})

    async def _score(self, body: bytes) -> tuple[int, bytes]:
        started = time.perf_counter()
        payment = PAYMENT.decode(body)
        at = int(payment.time.timestamp()) - self.epoch
        event = Transaction(payment.id, at, payment.card, payment.terminal, payment.cents)
        if self.committer.degraded and not await self.committer.again():
            return 200, JSON.encode(self._by_rules(event))
        answer, records = self.engine.decide(event)
        try:
            await self.committer.add(records)  # also of a duplicate, whose first record may still be on its way
        except JournalFailed:
            return 200, JSON.encode(self._by_rules(event))
        self.metrics.decisions.labels("block" if answer.blocked else "approve", answer.model[:12]).inc()
        self.metrics.late.inc(answer.late)
        self.metrics.latency.observe(time.perf_counter() - started)
        return 200, JSON.encode(answer)

    def _by_rules(self, event: Transaction) -> Answer:
        score = by_rules(event.cents)
        self.metrics.decisions.labels("block" if score else "approve", RULES).inc()
        return Answer(event.id, score > threshold(event.cents, self.engine.costs), score, RULES, degraded=True)

    async def _labels(self, body: bytes) -> tuple[int, bytes]:
        labels = LABELS.decode(body)
        if self.committer.degraded and not await self.committer.again():
            return 503, JSON.encode({"error": "the store takes nothing: send these labels again later"})
        records = [record for number, fraud in labels for record in self.engine.label(number, fraud)]
        await self.committer.add(records)
        for _, fraud in labels:
            self.metrics.labels.labels(str(fraud).lower()).inc()
        return 200, JSON.encode({"found": len(records), "unknown": len(labels) - len(records)})

    async def _models(self, body: bytes) -> tuple[int, bytes]:
        move = MOVE.decode(body)
        await self.committer.add(self.engine.move(move.action, move.digest))
        return 200, JSON.encode(asdict(self.engine.rollout))

    def _tell(self, path: str) -> tuple[int, bytes]:
        engine, degraded = self.engine, self.committer.degraded
        if path == "/health":
            return 200, JSON.encode({"ready": True, "degraded": degraded, "champion": engine.rollout.champion})
        if path == "/state":
            return 200, JSON.encode({"digest": engine.digest(), "sequence": self.committer.journal.sequence})
        if path == "/alerts":
            return 200, JSON.encode(raised(engine, degraded))
        if path == "/metrics":
            self.metrics.degraded.set(degraded)
            self.metrics.silence.set(engine.since_label)
            self.metrics.rollbacks.set(engine.rollbacks)
            for feature, index in engine.drift.index.items():
                self.metrics.drift.labels(feature).set(index)
            return 200, self.metrics.text()
        return 404, JSON.encode({"error": f"nothing is at GET {path}"})

    async def _lifespan(self, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.committer.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
