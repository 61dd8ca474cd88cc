"""Sixteen clients at once, each with its next request as soon as the last is answered: our server and llama-server.

Both speak the same API to the same client, in turns, with one thread, the same weights, prompts and lengths, each with
what it does best: prefixes kept, all sixteen served together. A request is good by the objective of load.py.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.serving.load import bodies, one, served
from posts.serving.service.start import ROOT, Process
from posts.serving.studies import rivals

if TYPE_CHECKING:
    from lockstep.run import Run


class Llama(Process):
    """llama-server, as it lies on the PATH."""

    def start(self) -> None:
        program = rivals.llama_server()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = (self.directory / "log.txt").open("ab")
        told = {"port": self.port, "host": "127.0.0.1"} | self.settings
        command = [program, *(part for name, value in told.items() for part in (f"--{name}", str(value)))]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def ask(self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> Any:
        """`/ready` is `/health` there."""
        return super().ask(method, "/health" if path == "/ready" else path, content, headers)


def begun(run: Run, name: str) -> Process:
    """A server by its name, not yet started: ours, or llama-server on the file with its weights requantised."""
    config, directory = run.config, run.scratch / name.replace(", ", "-")
    if name.startswith("ours"):
        return Process(directory, model=served(run), pages=config.pages, context=config.context)
    whole, path = run.scratch / "model.gguf", run.scratch / f"{directory.name}.gguf"
    run.data("base")["gguf"].tofile(whole)
    tool = [sys.executable, "-m", "posts.serving.studies.rivals", "requantise", name.partition(", ")[2]]
    subprocess.run([*tool, str(whole), str(path)], cwd=ROOT, check=True)
    room = {"parallel": config.together, "ctx-size": config.together * config.context // 4}
    return Llama(directory, model=path, threads=1, **{"threads-batch": 1}, **room)


async def clients(port: int, asked: list[dict[str, Any]], at_once: int) -> list[tuple[float, float, str]]:
    """Every request, by so many clients, each of which waits for its answer before it asks again."""
    queue, found = list(asked), []

    async def client() -> None:
        while queue:
            found.append(await one(port, queue.pop(), time.perf_counter()))

    await asyncio.gather(*(client() for _ in range(at_once)))
    return found


def measure(run: Run) -> list[dict[str, Any]]:
    """A row for each server: latencies in seconds, requests in time a second, tokens per CPU second."""
    config = run.config
    asked = bodies(run, config.together * config.rounds, config.written)
    rows = []
    for name in np.random.default_rng(run.seed).permutation(config.servers).tolist():
        with begun(run, name) as server:
            asyncio.run(clients(server.port, asked[: config.together], config.together))  # warm, prefixes known
            cpu, began = server.cpu(), time.perf_counter()
            results = asyncio.run(clients(server.port, asked, config.together))
            took, cpu = time.perf_counter() - began, server.cpu() - cpu
        first_N, each_N = (np.array([result[part] for result in results]) for part in (0, 1))
        if not np.isfinite(first_N).all():
            run.fail(f"{name}: a request ended as {next(r[2] for r in results if not np.isfinite(r[0]))}")
        good = int(((first_N <= config.slo_first) & (each_N <= config.slo_each)).sum())
        row = {"server": name, "goodput": good / took, "good": 100 * good / len(results)}
        row |= {f"first_p{q}": float(np.quantile(first_N, q / 100)) for q in (50, 99)}
        rows.append(row | {"each_p50": float(np.median(each_N)), "speed": len(results) * config.written / cpu})
        run.progress(len(rows), len(config.servers))
    return rows
