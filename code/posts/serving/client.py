"""A client of streams over plain asyncio: when each token came, and the ways to be a bad client.

The tests speak to the server with OpenAI's own client and with curl as well; this one times, and breaks off.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from lockstep.errors import LockstepError


class Refused(LockstepError):
    """The server turned the request away; `status` says how, `after` when to try again."""

    def __init__(self, status: int, told: str, after: float):
        super().__init__(f"{status}: {told}")
        self.status, self.after = status, after


@dataclass
class Got:
    """What came: text, when the first and each later chunk came (by `perf_counter`), and how it ended."""

    text: str = ""
    times: list[float] = field(default_factory=list)
    reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    done: bool = False


class Connection:
    """One streamed request on a connection of its own."""

    def __init__(self, port: int):
        self.port = port

    async def open(self, path: str, content: Any, headers: dict[str, str] | None = None, buffer: int = 0) -> None:
        """Send the request, read the head of the answer. `buffer` is a limit of bytes that are read ahead.

        Raises Refused for another status than 200, OSError or IncompleteReadError where the server is gone.
        """
        limits = {"limit": buffer} if buffer else {}
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, **limits)
        try:
            await self._ask(path, content, headers or {})
        except BaseException:
            self.close()
            raise

    async def _ask(self, path: str, content: Any, headers: dict[str, str]) -> None:
        body = json.dumps(content).encode()
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n{told}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answered = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status = int(answered.split()[1])
        if status != 200:
            after = answered.lower().partition("retry-after:")[2].partition("\r\n")[0]
            said = (await self.reader.read()).decode()
            raise Refused(status, said, float(after or 0))

    async def events(self) -> AsyncIterator[Any]:
        """Each decoded event of the stream; ends with [DONE], or where the server breaks off."""
        while line := await self.reader.readline():
            if not line.startswith(b"data: "):
                continue
            if (said := line[6:].strip()) == b"[DONE]":
                yield None
                return
            yield json.loads(said)

    def close(self) -> None:
        """Go, without a word."""
        self.writer.transport.abort()


async def stream(port: int, path: str, content: Any, headers: dict[str, str] | None = None) -> Got:
    """A whole stream. Raises Refused, OSError or IncompleteReadError; `done` tells whether it came to its end."""
    connection, got = Connection(port), Got()
    await connection.open(path, content, headers)
    try:
        async for event in connection.events():
            if event is None:
                got.done = True
                break
            if "error" in event:
                got.reason = event["error"]["code"] or "error"
                continue
            for choice in event["choices"]:
                said = choice.get("text") or choice.get("delta", {}).get("content") or ""
                if said:
                    got.text += said
                    got.times.append(time.perf_counter())
                got.reason = choice["finish_reason"] or got.reason
            got.usage = event.get("usage") or got.usage
    finally:
        connection.close()
    return got
