"""Build the engine, listen, and stop in order.

On SIGTERM the server closes its socket first and waits a moment for requests whose connections it had taken already,
then lets all end. The socket may be another's: systemd, or whoever started it, keeps it open while one process goes and
the next one comes, and connections wait in the kernel meanwhile. So a new release loses none.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import torch
import uvicorn
from lockstep.catalogue import smollm2

from posts.serving import calibration
from posts.serving.engine import Engine, Limits
from posts.serving.service.app import Server
from posts.serving.service.settings import Settings
from posts.serving.small import tiny
from posts.serving.weights import read

GRACE = 0.25  # seconds for requests on connections that were taken before the socket was closed


def built(settings: Settings) -> Server:
    """The application of these settings. Raises DataError where the model is not at hand."""
    torch.set_num_threads(settings.threads)
    base = read((smollm2 if settings.model == "smollm2" else tiny).load())
    base.tokenizer.encode_special_tokens = True  # marks in a client's text are text
    limits = Limits(
        pages=settings.pages,
        sequences=settings.sequences,
        budget=settings.budget,
        chunk=settings.chunk,
        context=min(settings.context, base.shape.context),
        share=settings.share,
    )
    return Server(Engine(calibration.model(base, settings.weights), base, limits), settings)


class Draining(uvicorn.Server):
    """uvicorn, but that it closes its socket a moment before it closes idle connections."""

    def __init__(self, config: uvicorn.Config, server: Server):
        super().__init__(config)
        self.served = server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.served.draining = True
        for listening in self.servers:
            listening.close()
        for each in sockets or []:
            each.close()
        await asyncio.sleep(GRACE)
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serve until a signal."""
    server = built(settings)
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "loop": "uvloop", "lifespan": "on"}
    config = uvicorn.Config(server.app, settings.host, settings.port, **options)
    config.timeout_graceful_shutdown = int(settings.drain) or 1
    config.timeout_keep_alive = 30
    sockets = [socket.socket(fileno=settings.fd)] if settings.fd >= 0 else None
    Draining(config, server).run(sockets)
