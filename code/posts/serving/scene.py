"""Where drills play: engines on one model, and the application driven in this process, without a network."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from posts.serving.engine import Engine, Limits
from posts.serving.model import Model
from posts.serving.service import app
from posts.serving.service.settings import Settings
from posts.serving.weights import Base

CHAT = "/v1/chat/completions"
SOON = 120.0  # seconds in which what is promised must have happened, on a machine that is busy otherwise


class Scene:
    """Where a drill plays: a folder, a model, a seed, and how often to strike."""

    def __init__(self, directory: Path, base: Base, model: Model, seed: int, times: int, served: str):
        self.directory, self.base, self.model, self.times, self.served = directory, base, model, times, served
        self.random = random.Random(seed)
        directory.mkdir(parents=True, exist_ok=True)

    def engine(self, clock: Callable[[], float] = time.monotonic, **limits: Any) -> Engine:
        asked: dict[str, Any] = {"pages": 128, "context": 512} | limits
        return Engine(self.model, self.base, Limits(**asked), clock)

    def prompt(self, tokens: int) -> tuple[int, ...]:
        return tuple(self.random.randrange(200) for _ in range(tokens))

    def asked(self, tokens: int, **other: Any) -> dict[str, Any]:
        said = [{"role": "user", "content": "Count from one to a hundred."}]
        own = {"model": self.base.name, "messages": said, "max_tokens": tokens, "temperature": 0, "stream": True}
        return own | {"ignore_eos": True} | other


class Call:
    """One request to the application in this process. `gone` makes its client go away."""

    def __init__(self, server: app.Server, content: Any, path: str = CHAT, takes: float = float("inf")):
        self.server, self.path, self.takes = server, path, takes
        self.body = msgspec.json.encode(content)
        self.gone, self.blocked, self.began = asyncio.Event(), asyncio.Event(), False
        self.sent: list[Any] = []
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "root_path": ""}
        self.task = asyncio.create_task(server.app(scope | {"app": server.app}, self.receive, self.send))

    async def receive(self) -> Any:
        if not self.began:
            self.began = True
            return {"type": "http.request", "body": self.body}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if len(self.sent) > self.takes:  # a reader that takes no more: the socket's buffers are full
            self.blocked.set()
            await asyncio.Event().wait()

    async def chunks(self, number: int) -> None:
        """Until so many messages were sent."""
        until = time.monotonic() + SOON
        while len(self.sent) < number and time.monotonic() < until and not self.task.done():
            await asyncio.sleep(0.001)

    @property
    def status(self) -> int:
        return self.sent[0]["status"] if self.sent else 0


@asynccontextmanager
async def serving(engine: Engine, **settings: Any) -> AsyncIterator[app.Server]:
    """The application over an engine, without a socket."""
    server = app.Server(engine, Settings(model="tiny", **settings))
    server.loop.start()
    try:
        yield server
    finally:
        server.loop.stop()
        await asyncio.get_running_loop().run_in_executor(None, server.loop.thread.join)


async def until(condition: Callable[[], Any], seconds: float = SOON) -> bool:
    """Does it come true in time?"""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.002)
    return True


class Unhurried:
    """A model whose steps take as long as a real one's: so short ones of a tiny model prove nothing about threads."""

    def __init__(self, model: Model, seconds: float = 0.02):
        self.model, self.shape, self.seconds = model, model.shape, seconds

    def forward(self, step: Any, cache: Any) -> Any:
        time.sleep(self.seconds)
        return self.model.forward(step, cache)
