"""HTTP, by Starlette: OpenAI's routes over the engine, probes, metrics, and adapters loaded while it runs.

    POST /v1/completions, /v1/chat/completions    200 an answer or a stream · 400 · 401 · 404 · 429 · 503 · 504
    GET  /v1/models                               the model and its adapters
    POST /v1/load_lora_adapter                    {"lora_name", "lora_path", "canary"}; a share of 1 is for all
    POST /v1/unload_lora_adapter                  {"lora_name"}
    GET  /live, /ready, /metrics                  alive · a token was computed just now · for Prometheus

A request that is given up by its client, by its deadline, or because its client takes no bytes, is cancelled between
two steps. While the server drains it listens no more; what is on its way ends as if nothing were.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from lockstep.errors import LockstepError, nearest
from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route

from posts.serving import lora
from posts.serving.engine import Engine, Event, Refused, Request
from posts.serving.sampling import BadGrammar, Sampling
from posts.serving.service import protocol
from posts.serving.service.keys import Account, Keys
from posts.serving.service.loop import Loop, Stream
from posts.serving.service.metrics import Metrics
from posts.serving.service.protocol import BadRequest
from posts.serving.service.rollout import MARK, Canary, Rollouts
from posts.serving.service.settings import Settings
from posts.serving.service.traces import Traces

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
LARGEST = 1 << 20  # bytes of a request
PROBE = 30.0  # seconds that a probe's token may take
DEADLINE = b"x-deadline-seconds"


class Away(Exception):
    """The client has gone, or takes nothing."""


class Turned(LockstepError):
    """A request that is turned away: status, kind, code, seconds after which to try again."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None, after: float = 0.0):
        super().__init__(message)
        self.status, self.kind, self.code, self.after = status, kind, code, after


class Server:
    """What all routes share."""

    def __init__(self, engine: Engine, settings: Settings):
        self.engine, self.settings = engine, settings
        self.metrics = Metrics()
        self.loop = Loop(engine, self.metrics)
        self.keys = Keys(settings.keys, time.monotonic)
        self.rollouts, self.traces = Rollouts(), Traces(settings.traces)
        self.open = 0  # requests that are answered now
        self.draining = False
        routes = [
            Route("/v1/completions", Ask(self, protocol.COMPLETION), methods=["POST"]),
            Route("/v1/chat/completions", Ask(self, protocol.CHAT), methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/load_lora_adapter", self.load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", self.unload, methods=["POST"]),
            Route("/live", self.live),
            Route("/ready", self.ready),
            Route("/metrics", self.numbers),
        ]
        handlers: Any = {LockstepError: handled, msgspec.ValidationError: handled, msgspec.DecodeError: handled}
        self.app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    def _lifespan(self, app: Starlette) -> Any:
        @asynccontextmanager
        async def running(app: Starlette) -> AsyncIterator[None]:
            self.loop.start()
            yield
            self.loop.stop()
            self.traces.close()

        return running(app)

    # who may ask, and whether there is room

    def account(self, headers: Any) -> Account:
        """Raises Turned for who has no key."""
        account = self.keys.account(headers.get("authorization", ""))
        if account is None:
            raise Turned(
                401, "invalid_request_error", "no such API key: send Authorization: Bearer …", "invalid_api_key"
            )
        return account

    def admit(self, account: Account, prompt: int, most: int) -> None:
        """Raises Turned where there is no room for so many tokens, with when there may be."""
        if account.running >= account.key.concurrent:
            told = f"{account.running} requests of this key are on their way, as many as it may have"
            raise Turned(429, "rate_limit_error", told, "too_many_requests", 1.0)
        queued, limit = self.loop.queued, self.settings.queue_tokens
        if (over := queued + prompt + most - limit) > 0 and queued > 0:
            told = f"{queued} tokens wait to be computed, and {prompt + most} more would pass the {limit} allowed"
            raise Turned(429, "rate_limit_error", told, "queue_full", over / self.loop.speed)
        if after := self.keys.wait(account, prompt + most):
            raise Turned(429, "rate_limit_error", "this key has used its tokens of the minute", "tokens_used", after)

    def adapter(self, model: str, who: str) -> str:
        """The adapter that a model's name stands for. Raises Turned for no model."""
        if model == self.engine.base.name:
            return ""
        known = [name for name in self.engine.adapters if not name.endswith(MARK)]
        if model not in known:
            near = nearest(model, [self.engine.base.name, *known])
            raise Turned(404, "invalid_request_error", f'there is no model "{model}"{near}', "model_not_found")
        return self.rollouts.version(model, who)

    # other routes

    async def models(self, request: HTTPRequest) -> Response:
        self.account(request.headers)
        base = self.engine.base.name
        names = [base, *(name for name in self.engine.adapters if not name.endswith(MARK))]
        listed: list[dict[str, Any]] = [
            {"id": n, "object": "model", "created": 0, "owned_by": "serving"} for n in names
        ]
        for each in listed[1:]:
            canary = self.rollouts.running.get(each["id"])
            each |= {"parent": base, "digest": self.engine.adapters[each["id"]].digest}
            each["canary"] = canary.share if canary else 0
        return answer({"object": "list", "data": listed})

    async def load(self, request: HTTPRequest) -> Response:
        """A new adapter, or a new version of one: for all, or for a share. Nothing changes where it does not fit."""
        self._admin(request)
        asked = protocol.LOAD.decode(await request.body())
        name, engine = asked.lora_name, self.engine
        if name == engine.base.name or MARK in name:
            raise BadRequest(f'"{name}" is taken', "lora_name")
        if not asked.lora_path:
            if name not in self.rollouts.running:
                raise BadRequest(f"{name} has no canary: give lora_path", "lora_path")
            made = engine.adapters[name + MARK]
        else:
            path = self._inside(asked.lora_path)
            shape = engine.model.shape
            made = await asyncio.get_running_loop().run_in_executor(None, lora.read_file, name, path, shape)
        trial = asked.canary < 1 and name in engine.adapters
        version = name + MARK if trial else name
        await self.loop.call(lambda: engine.load(lora.Adapter(version, made.digest, made.pairs)))
        if trial:
            self.rollouts.running[name] = Canary(asked.canary)
        else:
            await self._end_trial(name)
        return answer({"loaded": name, "digest": made.digest, "canary": asked.canary if trial else 1.0})

    async def unload(self, request: HTTPRequest) -> Response:
        self._admin(request)
        name = protocol.LOAD.decode(await request.body()).lora_name
        await self.loop.call(lambda: self.engine.unload(name))
        await self._end_trial(name)
        return answer({"unloaded": name})

    async def _end_trial(self, name: str) -> None:
        self.rollouts.running.pop(name, None)
        await self.loop.call(lambda: self.engine.adapters.pop(name + MARK, None))

    def _admin(self, request: HTTPRequest) -> None:
        if not self.account(request.headers).key.admin:
            raise Turned(403, "invalid_request_error", "this key may not change adapters", "forbidden")

    def _inside(self, path: str) -> Path:
        """A file in the folder of adapters, whatever the request says. Raises BadRequest."""
        folder = Path(self.settings.adapters).resolve()
        found = (folder / path).resolve()
        if not self.settings.adapters or not found.is_relative_to(folder):
            raise BadRequest("lora_path: only files below SERVING_ADAPTERS can be loaded", "lora_path")
        return found

    async def live(self, request: HTTPRequest) -> Response:
        """Only a process that can compute no more is not alive: then it should be started again."""
        if self.loop.broken:
            return answer({"error": self.loop.broken}, 500)
        return answer({"live": True})

    async def ready(self, request: HTTPRequest) -> Response:
        """A token is computed, by the same way as every other."""
        if self.draining or self.loop.broken:
            return answer({"ready": False, "why": self.loop.broken or "draining"}, 503)
        probe = Request("probe-" + secrets.token_hex(8), self.engine.base.eos[:1], Sampling(1, ignore_eos=True))
        stream = await self.loop.submit(probe)
        try:
            event = await asyncio.wait_for(stream.events.get(), PROBE)
        except TimeoutError:
            self.loop.cancel(stream)
            return answer({"ready": False, "why": f"no token within {PROBE:g} s"}, 503)
        return answer({"ready": event.reason == "length"}, 200 if event.reason == "length" else 503)

    async def numbers(self, request: HTTPRequest) -> Response:
        self.loop.observe()
        self.metrics.draining.set(self.draining)
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")


class Ask:
    """A request for tokens, as a bare ASGI application: only so are a client's going and its slowness seen."""

    def __init__(self, server: Server, decoder: Any):
        self.server, self.decoder = server, decoder

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        server, request = self.server, HTTPRequest(scope, receive)
        server.open += 1
        try:
            try:
                account = server.account(request.headers)
                asked = self.decoder.decode(await body(receive))
                stream, shape = await self._submitted(request, account, asked)
            except (LockstepError, msgspec.ValidationError, msgspec.DecodeError) as error:
                status, _, _ = refusal(error)
                server.metrics.refused.labels(str(status)).inc()
                return await (await handled(request, error))(scope, receive, send)
            account.running += 1
            try:
                answering = self._streamed(stream, shape, send) if asked.stream else self._whole(stream, shape, send)
                end = await unless_gone(answering, receive)
                await self._ended(stream, end.reason)
            except Away:
                await self._ended(stream, "cancelled")
            finally:
                account.running -= 1
                server.loop.cancel(stream)  # does nothing for one that has ended
        finally:
            server.open -= 1

    async def _submitted(self, request: HTTPRequest, account: Account, asked: Any) -> tuple[Stream, protocol.Shape]:
        server, engine = self.server, self.server.engine
        vocabulary = engine.model.shape.vocabulary
        adapter = server.adapter(asked.model, asked.user or account.key.name)
        prompt = protocol.prompt(asked, engine.base.tokenizer, vocabulary)
        wanted = asked.max_tokens or getattr(asked, "max_completion_tokens", None)
        most = wanted or max(1, min(256, engine.limits.context - len(prompt)))
        chosen = protocol.sampling(asked, vocabulary, most, secrets.randbits(63))
        seconds = deadline(request.headers.get(DEADLINE.decode()), server.settings.deadline)
        engine.fit(len(prompt), most)
        server.admit(account, len(prompt), most)
        id = secrets.token_hex(12)
        made = Request(id, prompt, chosen, adapter, engine.clock() + seconds)
        return await server.loop.submit(made), protocol.Shape(id, asked)

    async def _whole(self, stream: Stream, shape: protocol.Shape, send: Send) -> Event:
        texts, event = [], await stream.events.get()
        while not event.reason:
            texts.append(event.text)
            event = await stream.events.get()
        if failure := failed(event):
            await respond(send, answer(protocol.error(*failure[1:]), failure[0]))
        else:
            await respond(
                send, Response(shape.whole("".join([*texts, event.text]), event), media_type="application/json")
            )
        return event

    async def _streamed(self, stream: Stream, shape: protocol.Shape, send: Send) -> Event:
        event = await stream.events.get()  # before the status is told: a deadline may have passed
        if failure := failed(event):
            await respond(send, answer(protocol.error(*failure[1:]), failure[0]))
            return event
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        head += [(b"connection", b"close")] if self.server.draining else []
        await self._sent(send, {"type": "http.response.start", "status": 200, "headers": head})
        parts = shape.opening()
        while True:
            if failure := failed(event):
                parts += protocol.sse(protocol.error(*failure[1:]))
            else:
                parts += shape.part(event)
            if event.reason:
                parts += shape.closing(event)
            if parts:
                message = {"type": "http.response.body", "body": parts, "more_body": not event.reason}
                await self._sent(send, message)
            if event.reason:
                return event
            event, parts = await stream.events.get(), b""

    async def _sent(self, send: Send, message: Any) -> None:
        try:
            await asyncio.wait_for(send(message), self.server.settings.stall)
        except TimeoutError:
            raise Away from None

    async def _ended(self, stream: Stream, reason: str) -> None:
        server, version = self.server, stream.request.adapter
        server.traces.record(stream, reason)
        if version and (name := server.rollouts.ended(version, reason == "error")):
            await server.loop.call(lambda: server.engine.adapters.pop(name + MARK, None))


async def body(receive: Receive) -> bytes:
    """The whole body of a request. Raises Turned for one that is too large."""
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if len(content) > LARGEST:
            raise Turned(413, "invalid_request_error", f"the request is larger than {LARGEST} bytes")
        if not message.get("more_body"):
            return content


async def unless_gone(answering: Coroutine[Any, Any, Event], receive: Receive) -> Event:
    """What the answer ends with. Raises Away as soon as the client has gone; then no more of it is made."""
    task, gone = asyncio.create_task(answering), asyncio.create_task(disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Away
        return await task
    except OSError:
        raise Away from None
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def deadline(header: str | None, longest: float) -> float:
    """Seconds that a request has. Raises BadRequest for a header that is no time."""
    if header is None:
        return longest
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise BadRequest(f"X-Deadline-Seconds: {header} is no time above 0", "X-Deadline-Seconds")
    return min(seconds, longest)


def failed(event: Event) -> tuple[int, str, str, str] | None:
    """Status, message, type and code of an end that is no answer."""
    if event.reason == "deadline":
        return 504, "the time that this request had is over", "timeout_error", "deadline"
    if event.reason in ("error", "cancelled"):
        return 500, f"the request failed: {event.text or event.reason}", "server_error", event.reason
    return None


def refusal(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers of a request that is not served."""
    if isinstance(error, Turned):
        headers = {"retry-after": str(math.ceil(error.after))} if error.after else {}
        return error.status, protocol.error(str(error), error.kind, error.code), headers
    if isinstance(error, (LockstepError, msgspec.ValidationError, msgspec.DecodeError)):
        param = getattr(error, "param", "grammar" if isinstance(error, BadGrammar) else None)
        code = "context_length_exceeded" if isinstance(error, Refused) else None
        return 400, protocol.error(str(error), "invalid_request_error", code, param), {}
    raise error


async def handled(request: HTTPRequest, error: Exception) -> Response:
    status, told, headers = refusal(error)
    return answer(told, status, headers)


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(protocol.JSON.encode(content), status, headers, "application/json")


async def respond(send: Send, response: Response) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
