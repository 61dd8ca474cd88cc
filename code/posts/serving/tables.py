"""The tables of the page. Each takes `measured` and `reported` and returns rows of cells."""

from __future__ import annotations

from typing import Any

Rows = list[dict[str, Any]]
ENGINES = (
    "ours, int8",
    "ours, float32",
    "CTranslate2, int8",
    "CTranslate2, float32",
    "llama.cpp, Q4_0",
    "llama.cpp, Q8_0",
)
RECIPES = (
    "float32",
    "rounded rows",
    "smoothed",
    "columns apart",
    "both, by largest values",
    "both",
    "both, head in float32",
    "four bits",
)
DRILLED = (
    ("drains", "a server replaced under load", "no request is lost", ("sent", "lost")),
    ("killed", "kill −9 in mid-stream", "clients see it; a new process answers soon", ("sent", "ready_after")),
    ("disconnect", "a client goes in mid-stream", "no further step computes for it", ("sent", "late")),
    ("slow_reader", "a client takes no bytes", "it is ended, others are served", ("sent",)),
    ("flood", "far more requests than fit", "turned away at once, the queue bounded", ("sent", "refused", "longest")),
    ("corrupt_adapter", "damaged adapters", "refused, answers stay as they were", ("sent", "refused")),
    ("kv_full", "more than the cache holds", "some wait, all end", ("sent", "same", "preempted")),
    ("clock_jump", "the wall clock jumps a day", "no deadline notices", ("sent", "lost")),
    ("poisoned_prefix", "prompts forged for a weak digest", "nobody reads another's pages", ("sent", "changed")),
    ("cancels", "random cancels", "every page is free afterwards", ("sent", "lost")),
)
UNITS = {
    "sent": "requests",
    "lost": "lost",
    "ready_after": "to be ready",
    "late": "late steps",
    "refused": "refused",
    "longest": "at most queued",
    "same": "same as alone",
    "preempted": "sent back",
    "changed": "changed",
}


def speeds(measured: Any, reported: Any) -> Rows:
    """Each engine, tokens per CPU second at each batch, and of a prompt."""
    rows = []
    for engine in ENGINES:
        row: dict[str, Any] = {"engine": engine}
        for batch, name in ((1, "one request"), (4, "four"), (16, "sixteen")):
            row[name] = measured("speed", stage="contest", what="decode", engine=engine, batch=batch)
        rows.append(row | {"a prompt": measured("speed", stage="contest", what="prefill", engine=engine)})
    return rows


def recipes(measured: Any, reported: Any) -> Rows:
    """Each way to int8: what it does to probabilities, to tokens, and to a task."""
    rows = []
    for recipe in RECIPES:
        at = {"stage": "parity", "recipe": recipe}
        row = {"recipe": recipe, "perplexity": measured("perplexity", **at)}
        row |= {"over float32": measured("perplexity_ratio", **at), "drift": measured("drift", **at)}
        rows.append(row | {"same token": measured("same_token", **at), "right solution": measured("right", **at)})
    return rows


def products(measured: Any, reported: Any) -> Rows:
    """Ways to multiply, for all products of a step of the blocks."""
    rows = []
    for way in ("float32", "bfloat16", "int8, arranged in each call", "int8, arranged once", "int8, as served"):
        row: dict[str, Any] = {"way": way}
        for batch, name in ((1, "one row"), (4, "four"), (16, "sixteen")):
            row[name] = measured("products", stage="kernels", way=way, batch=batch)
        rows.append(row)
    return rows


def offered(measured: Any, reported: Any) -> Rows:
    """Each rate: latencies, and what came in time."""
    rows = []
    for rate in (2.0, 4.0, 6.0, 8.0):
        at, foretold = {"stage": "load", "rate": rate}, {"stage": "queue", "rate": rate}
        row: dict[str, Any] = {"offered": f"{rate:g} /s"}
        for name, title in (
            ("first_p50", "first token"),
            ("first_p99", "99th"),
            ("each_p50", "each other"),
        ):
            row[title] = measured(name, **at)
        row["first, foretold"] = measured("first_p50", **foretold)
        rows.append(row | {"in time": measured("good", **at), "goodput": measured("goodput", **at)})
    return rows


def sixteen(measured: Any, reported: Any) -> Rows:
    """Sixteen clients at once: our server and llama-server."""
    rows = []
    for server in ("ours, int8", "llama-server, Q4_0", "llama-server, Q8_0"):
        at = {"stage": "together", "server": server}
        row: dict[str, Any] = {"server": server, "goodput": measured("goodput", **at)}
        row |= {"first token": measured("first_p50", **at), "99th": measured("first_p99", **at)}
        row["each other"] = measured("each_p50", **at)
        rows.append(row | {"CPU": measured("speed", **at)})
    return rows


def drilled(measured: Any, reported: Any) -> Rows:
    """Each drill: what is broken, what is promised, whether it was kept, and whether its control was noticed."""
    rows = []
    for drill, broken, promise, counts in DRILLED:
        at = {"stage": "drills", "drill": drill}
        row: dict[str, Any] = {"broken": broken, "promise": promise, "kept": measured("kept", control=0, **at)}
        row["without its keeper"] = measured("kept", control=1, **at)
        for n, name in enumerate(counts[:2]):
            counted, what = (("counted", "what"), ("and", "of what"))[n]
            row[counted], row[what] = measured(name, control=0, **at), UNITS[name]
        rows.append(row)
    return rows


def replicas(measured: Any, reported: Any) -> Rows:
    """Policies of a router at a hundred replicas. Simulated."""
    rows = []
    for policy in ("turns", "requests", "tokens", "prefix"):
        row: dict[str, Any] = {"policy": policy}
        for load in (50, 80):
            at = {"stage": "router", "replicas": 100, "load": load, "policy": policy}
            row[f"99th percentile at {load} %"] = measured("first_p99", **at)
            row[f"prefixes found at {load} %"] = measured("prefix_hits", **at)
        rows.append(row)
    return rows


def costs(measured: Any, reported: Any) -> Rows:
    """What a million tokens cost, and from what demand on a GPU is cheaper. Arithmetic on assumed prices."""
    rows = []
    for engine in ("ours, int8", "CTranslate2, int8", "llama.cpp, Q4_0"):
        for batch in (1, 16):
            at = {"stage": "cost", "engine": engine, "batch": batch}
            row = {"engine": engine, "at once": str(batch), "a million tokens": measured("cost", **at)}
            rows.append(row | {"a GPU from": measured("break_even", **at), "cores then": measured("cores", **at)})
    return rows


TABLES = (speeds, recipes, products, sixteen, offered, drilled, replicas, costs)
