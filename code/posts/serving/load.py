"""Load: requests that come when they come, whatever became of those before; each timed from when it was due.

Arrivals are Poisson and open-loop, so that a stall is not left out of the latencies ("coordinated omission", Tene,
2015). Prompts are problems of GSM8K after one system prompt that all share, as in a service of one purpose. A request
is good if its first token came within `slo_first` seconds of when it was due and its other tokens within `slo_each`
seconds on average; goodput is good requests a second.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.serving import client
from posts.serving.engine import Request, complete
from posts.serving.parity import problems
from posts.serving.sampling import Sampling
from posts.serving.service.start import Process

if TYPE_CHECKING:
    from lockstep.run import Run

SETTLE = 0.1  # share of the requests at the beginning that is not counted
CHAT = "/v1/chat/completions"
SYSTEM = (
    "You solve problems of arithmetic for pupils of a primary school. Work step by step, write each step on a line of "
    "its own, use whole sentences, and end with the number that was asked for. If a problem cannot be solved, say why."
)


def served(run: Run) -> str:
    """Which model a server process is to load: the one whose data the run has."""
    return "smollm2" if "gguf" in run.data("base") else "tiny"


def bodies(run: Run, number: int, tokens: int) -> list[dict[str, Any]]:
    """Requests in an order of the seed."""
    asked = problems(run.data("problems")["test"])
    rng = np.random.default_rng(run.seed)
    name = "smollm2-135m-instruct" if served(run) == "smollm2" else "tiny"
    found = []
    for place in rng.integers(0, len(asked), number):
        said = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked[int(place)][0]}]
        found.append({"model": name, "messages": said, "max_tokens": tokens, "temperature": 0, "stream": True})
    return [each | {"ignore_eos": True} for each in found]


def arrivals(config: Any, seed: int) -> Any:
    """Seconds (N,) at which requests are due: Poisson at the rate, for about `load_seconds`."""
    number = max(8, int(config.rate * config.load_seconds))
    return np.cumsum(np.random.default_rng(seed).exponential(1 / config.rate, number))


async def one(port: int, content: Any, due: float) -> tuple[float, float, str]:
    """Seconds from due to the first token, mean seconds between the others, and how it ended."""
    try:
        got = await client.stream(port, CHAT, content)
    except client.Refused as refused:
        return np.inf, np.inf, str(refused.status)
    except (OSError, asyncio.IncompleteReadError):
        return np.inf, np.inf, "lost"
    if not got.done or not got.times:
        return np.inf, np.inf, got.reason or "lost"
    first, each = got.times[0] - due, (got.times[-1] - got.times[0]) / max(1, len(got.times) - 1)
    return first, each, got.reason


async def offer(port: int, asked: list[dict[str, Any]], due_N: Any) -> list[tuple[float, float, str]]:
    began, tasks = time.perf_counter() + 0.05, []
    for content, due in zip(asked, due_N, strict=True):
        if (left := began + due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.create_task(one(port, content, began + due)))
    return await asyncio.gather(*tasks)


def measure(run: Run) -> list[dict[str, Any]]:
    """One server, one rate, one seed of arrivals. Latencies in seconds; of requests that were not served, none."""
    config = run.config
    due_N = arrivals(config, run.seed)
    number = len(due_N)
    asked = bodies(run, number, config.written)
    with Process(run.scratch / "server", model=served(run), pages=config.pages, context=config.context) as server:
        before = server.cpu()
        results = asyncio.run(offer(server.port, asked, due_N))
        cpu = server.cpu() - before
    counted = results[int(SETTLE * number) :]
    first_N, each_N = (np.array([result[part] for result in counted]) for part in (0, 1))
    good_N = (first_N <= config.slo_first) & (each_N <= config.slo_each)
    within = due_N[-1] - due_N[number - len(counted)] or 1.0
    answered = np.isfinite(first_N)
    row = {f"first_p{q}": float(np.quantile(first_N[answered], q / 100)) for q in (50, 95, 99) if answered.any()}
    row |= {f"each_p{q}": float(np.quantile(each_N[answered], q / 100)) for q in (50, 99) if answered.any()}
    row |= {
        "good": 100 * float(good_N.mean()),
        "goodput": float(good_N.sum() / within),
        "requests": float(len(counted)),
    }
    refused = sum(result[2] == "429" for result in counted)
    lost = len(counted) - int(answered.sum()) - refused
    return [row | {"refused": 100 * refused / len(counted), "lost": float(lost), "load_cpu": cpu}]


def overhead(run: Run) -> list[dict[str, Any]]:
    """CPU of the same requests with HTTP and without, in turns: what HTTP, JSON and streams add."""
    from posts.serving import calibration
    from posts.serving.engine import Engine, Limits
    from posts.serving.service.protocol import CHAT as DECODER
    from posts.serving.service.protocol import JSON, prompt
    from posts.serving.weights import read

    config, base = run.config, read(run.data("base"))
    base.tokenizer.encode_special_tokens = True
    limits = Limits(pages=config.pages, context=config.context, share=False)
    engine = Engine(calibration.model(base, "int8"), base, limits)
    asked = bodies(run, 16, config.written)
    decoded = [DECODER.decode(JSON.encode(content)) for content in asked]
    prompts = [prompt(each, base.tokenizer, base.shape.vocabulary) for each in decoded]
    chosen = Sampling(config.written, ignore_eos=True)
    plain, served_ = [], []
    options = {"model": served(run), "pages": config.pages, "context": config.context, "share": False}
    with Process(run.scratch / "server", **options) as server:
        for _ in range(config.repeats + 1):
            before = server.cpu()
            results = asyncio.run(offer(server.port, asked, np.zeros(len(asked))))
            served_.append(server.cpu() - before)
            if any(result[2] != "length" for result in results):
                run.fail(f"a request ended as {results}")
            began = time.process_time()
            complete(engine, [Request(str(n), each, chosen) for n, each in enumerate(prompts)])
            plain.append(time.process_time() - began)
    with_http, without = float(np.median(served_[1:])), float(np.median(plain[1:]))
    return [{"with_http": with_http, "without_http": without, "overhead": 100 * (with_http / without - 1)}]


def soak(run: Run) -> list[dict[str, Any]]:
    """Requests of every kind for a long time, among them clients that go: does memory grow, is a page lost?"""
    config, rng = run.config, np.random.default_rng(run.seed)
    asked = bodies(run, 64, config.written)
    samples: list[tuple[float, float]] = []

    async def some(port: int, until: float) -> int:
        served_ = 0
        while time.monotonic() < until:
            content = asked[int(rng.integers(len(asked)))]
            if rng.random() < 0.2:
                connection = client.Connection(port)
                await connection.open(CHAT, content)
                await anext(connection.events())
                connection.close()
            else:
                served_ += (await client.stream(port, CHAT, content)).done
        return served_

    async def watch(server: Process, until: float) -> int:
        work = [asyncio.create_task(some(server.port, until)) for _ in range(config.clients)]
        while time.monotonic() < until:
            await asyncio.sleep(min(config.soak_seconds / 60, max(0.0, until - time.monotonic())))
            samples.append((time.monotonic(), server.memory()))
        return sum(await asyncio.gather(*work))

    with Process(Path(run.scratch / "server"), model=served(run), pages=config.pages, context=config.context) as server:
        done = asyncio.run(watch(server, time.monotonic() + config.soak_seconds))
        until = time.monotonic() + 60
        while (used := number(server.ask("GET", "/metrics"), "vllm:kv_cache_usage_perc")) and time.monotonic() < until:
            time.sleep(0.05)
    half = np.array(samples[len(samples) // 2 :])
    slope = float(np.polyfit(half[:, 0] - half[0, 0], half[:, 1], 1)[0]) if len(half) > 2 else 0.0
    grown = slope * 3600
    return [
        {
            "soaked": float(done),
            "growth": grown,
            "memory": float(half[-1, 1]),
            "left": used,
            "soak_time": config.soak_seconds / 60,
        }
    ]


def number(text: str, name: str) -> float:
    """The value of a metric without labels."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " "))
