"""The service over HTTP: lists, events, removals, and which bundle is served, on one event loop with one writer.

POST /recommend {"user", "request", "k"} answers {"items", "propensities", "source", "bundle"}; items are the shop's
own numbers. POST /taken {"user", "item"} adds to a history. DELETE /items/{item} and PUT /bundle {"digest"} are for
operators, who send a token. GET /health says what is served and what is wrong; GET /metrics is for a scraper.

What a body holds is checked by type, and a wrong one gets one line that says what was expected.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from posts.recommender.service.bundle import Bundle
from posts.recommender.service.events import EventLog, state_of
from posts.recommender.service.pipeline import recommend

LARGEST_BODY = 10_000  # bytes
Body = TypeVar("Body", bound=msgspec.Struct)


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    request: str
    k: int = 10


class Taken(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    item: int


class Choose(msgspec.Struct, forbid_unknown_fields=True):
    digest: str


class Refused(Exception):
    """A request that gets a status and one line."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Service:
    """Bundles by digest, the one that is served, the log, and the state that the log amounts to."""

    def __init__(self, bundles: dict[str, Bundle], serving: str, log: Path, token: str):
        self.bundles, self.serving, self.token = bundles, bundles[serving], token
        self.state = state_of(log)
        self.log = EventLog(log)
        self.rows = self._rows()
        self.counts: Counter[str] = Counter()
        self.milliseconds: list[float] = []

    def _rows(self) -> dict[int, int]:
        return {int(number): row for row, number in enumerate(self.serving.item_ids)}

    def record(self, event: dict[str, Any]) -> None:
        """Into the log first, then into the state."""
        self.log.append(event)
        self.state.apply(event)

    def ask(self, ask: Ask) -> dict[str, Any]:
        if not 1 <= ask.k <= 100:
            raise Refused(400, f"k is {ask.k}, a list has 1 to 100 items")
        started = time.perf_counter()
        served = recommend(self.serving, self.state, ask.user, ask.request, ask.k)
        self.record(served.event(ask.request, ask.user, self.serving, time.time()))
        self.milliseconds.append(1000 * (time.perf_counter() - started))
        del self.milliseconds[:-10_000]
        self.counts[served.source] += 1
        items = [int(self.serving.item_ids[row]) for row in served.items]
        lists = {"items": items, "propensities": served.propensities}
        return lists | {"source": served.source, "bundle": self.serving.digest}

    def row_of(self, item: int) -> int:
        if item not in self.rows:
            raise Refused(404, f"there is no item {item} in the bundle that is served")
        return self.rows[item]

    def choose(self, digest: str) -> None:
        """Serve another bundle, or the one before again. Bundles of one service number their items alike."""
        found = [known for known in self.bundles if digest and known.startswith(digest)]
        if len(found) != 1:
            raise Refused(404, f"{len(found)} bundles have a digest that begins with {digest!r}")
        other = self.bundles[found[0]]
        if not np.array_equal(other.item_ids, self.serving.item_ids):
            raise Refused(409, "that bundle numbers its items otherwise: histories would mean other items")
        self.serving = other
        self.record({"type": "bundle", "digest": other.digest})

    def metrics(self) -> str:
        """Prometheus text: lists by source, and quantiles of the last 10,000 of them."""
        lines = ["# TYPE lists_total counter"]
        lines += [f'lists_total{{source="{name}"}} {count}' for name, count in sorted(self.counts.items())]
        lines.append("# TYPE list_milliseconds summary")
        for quantile in (0.5, 0.99):
            value = float(np.quantile(self.milliseconds, quantile)) if self.milliseconds else 0.0
            lines.append(f'list_milliseconds{{quantile="{quantile}"}} {value:.3f}')
        return "\n".join(lines) + "\n"


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The decoded body. Raises Refused with what was expected."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise Refused(413, f"a body has at most {LARGEST_BODY} bytes")
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise Refused(400, str(error)) from None


def application(service: Service) -> Starlette:
    """The routes of one service."""

    def operator(request: Request) -> None:
        told = request.headers.get("authorization", "")
        if not hmac.compare_digest(told.encode(), f"Bearer {service.token}".encode()):
            raise Refused(401, "this is for operators: send the token as Authorization: Bearer …")

    async def lists(request: Request) -> Response:
        return JSONResponse(service.ask(await body_of(request, Ask)))

    async def taken(request: Request) -> Response:
        event = await body_of(request, Taken)
        service.record({"type": "taken", "user": event.user, "item": service.row_of(event.item)})
        return Response(status_code=204)

    async def remove(request: Request) -> Response:
        operator(request)
        service.record({"type": "removed", "item": service.row_of(request.path_params["item"])})
        return Response(status_code=204)

    async def choose(request: Request) -> Response:
        operator(request)
        service.choose((await body_of(request, Choose)).digest)
        return Response(status_code=204)

    async def health(request: Request) -> Response:
        told = {"bundle": service.serving.digest, "trouble": service.serving.trouble}
        return JSONResponse(told | {"served": service.state.served})

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(service.metrics())

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": str(error)}, error.status)

    routes = [
        Route("/recommend", lists, methods=["POST"]),
        Route("/taken", taken, methods=["POST"]),
        Route("/items/{item:int}", remove, methods=["DELETE"]),
        Route("/bundle", choose, methods=["PUT"]),
        Route("/health", health),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: refused})
