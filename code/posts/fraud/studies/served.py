"""One handler behind several HTTP servers: a payment is decoded and checked, and an answer is encoded; nothing else.

python -m posts.fraud.studies.served SERVER --port 8000

GET /health tells the CPU seconds that the serving process has used, all its threads together.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from posts.fraud.service.app import JSON, PAYMENT
from posts.fraud.service.engine import Answer

JSON_TYPE = "application/json"


def answer(path: str, body: bytes) -> bytes:
    """What the service answers to a payment, without the parts behind HTTP."""
    if path == "/score":
        return JSON.encode(Answer(PAYMENT.decode(body).id, False, 0.0, "none"))
    return JSON.encode({"cpu": time.process_time()})


async def bare(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """An ASGI application without a framework."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    content = answer(scope["path"], body)
    headers = [(b"content-type", JSON_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def rsgi(scope: Any, protocol: Any) -> None:
    """The same by the interface of granian."""
    content = answer(scope.path, await protocol())
    protocol.response_bytes(200, [("content-type", JSON_TYPE)], content)


def framework() -> Any:
    """The same as routes of Starlette."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def respond(request: Request) -> Response:
        return Response(answer(request.url.path, await request.body()), media_type=JSON_TYPE)

    return Starlette(routes=[Route("/score", respond, methods=["POST"]), Route("/health", respond)])


def with_uvicorn(application: Any, port: int, parser: str = "httptools") -> None:
    import uvicorn

    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off"}
    uvicorn.run(application, port=port, loop="uvloop", http=parser, **quiet)


def with_granian(name: str, port: int) -> None:
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    interface = Interfaces.RSGI if name == "rsgi" else Interfaces.ASGINL
    target = f"posts.fraud.studies.served:{name}"
    Server(target, port=port, interface=interface, loop=Loops.uvloop, log_enabled=False).serve()


SERVERS: dict[str, Callable[[int], None]] = {
    "uvicorn": lambda port: with_uvicorn(bare, port),
    "uvicorn, parser in Python": lambda port: with_uvicorn(bare, port, "h11"),
    "uvicorn, Starlette": lambda port: with_uvicorn(framework(), port),
    "granian, ASGI": lambda port: with_granian("bare", port),
    "granian, RSGI": lambda port: with_granian("rsgi", port),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m posts.fraud.studies.served")
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--port", type=int, default=8000)
    asked = parser.parse_args(arguments)
    SERVERS[asked.server](asked.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
