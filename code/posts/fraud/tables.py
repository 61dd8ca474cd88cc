"""The tables of the page. Each takes `measured` and `reported` and returns rows of cells."""

from __future__ import annotations

from itertools import product
from typing import Any

from lockstep.statistics import compare

Rows = list[dict[str, Any]]
MODELS = {
    "logistic_regression": "logistic regression",
    "random_forest": "random forest",
    "xgboost_2021": "XGBoost, defaults of 2021",
}
LIBRARY = {"logistic_regression": "scikit-learn", "random_forest": "scikit-learn", "xgboost_2021": "XGBoost"}
IN_USE = "all features and weeks: in use"
SCORERS = (
    ("single row, C interface", "LightGBM's call for one row: in use", "one private name of LightGBM"),
    ("ONNX Runtime, float64", "ONNX Runtime", "a converter and a second runtime"),
    ("packed trees, Python", "our packed trees, in Python", "code that the reasons need anyway"),
    ("Booster.predict", "Booster.predict", "nothing"),
)
SERVERS = (
    ("uvicorn", "uvicorn, bare ASGI: in use", "compiled parser and event loop"),
    ("uvicorn, Starlette", "uvicorn and Starlette", "a framework"),
    ("granian, ASGI", "granian, bare ASGI", "a server in Rust with threads of its own"),
)
STORES = (
    ("file", "a file: in use", "our format, and the tests of its damage"),
    ("sqlite", "SQLite", "nothing, it comes with Python"),
    ("redis", "Redis", "a server to run"),
    ("kafka", "Kafka protocol, mock brokers", "brokers to run, and their order to keep"),
)
METRICS = {"auc": "AUC", "average_precision": "AP", "card_precision": "CP@100"}


def reported_and_reproduced(measured: Any, reported: Any) -> Rows:
    """The book's three models by its protocol: reported, ours, difference and verdict for each metric."""
    rows = []
    for model, name in MODELS.items():
        for metric, title in METRICS.items():
            ours, theirs = measured(metric, stage="reproduce", model=model), reported(metric, model=model)
            differences, margin = [value - theirs.value for value in ours.values.values()], reported.margin(metric)
            within = compare(differences, margin).verdict == "equivalent"
            row = {"model": name, "metric": title, "reported": theirs, "ours": ours, "n": str(len(differences))}
            row |= {"difference": f"{compare(differences).mean:+.3f}".replace("-", "−"), "margin": f"± {margin:g}"}
            rows.append(row | {"verdict": "reproduced" if within else "not reproduced"})
    today = {title: measured(metric, stage="reproduce", model="xgboost_today") for metric, title in METRICS.items()}
    for title, value in today.items():
        rows.append({"model": "XGBoost, defaults of today", "metric": title, "reported": "—", "ours": value})
    for model, name in (("rules", "one rule: the amount is above 220"), ("perfect", "a perfect ranking")):
        for metric, title in METRICS.items():
            ours = measured(metric, stage="reproduce", model=model)
            rows.append({"model": name, "metric": title, "reported": "—", "ours": ours})
    return rows


def limit_and_models(measured: Any, reported: Any) -> Rows:
    """Means over the test weeks of the published world, and over worlds of our own."""
    rows = []
    at = {"week": "mean"}
    for name, model in (("limit", "limit"), ("limit that sees the trace in the digits", "limit with digits")):
        row = {"score": name, "AP": measured("average_precision", stage="limit", model=model, **at)}
        row |= {"CP@100": measured("card_precision", stage="limit", model=model, **at)}
        if model == "limit":
            row |= {"AP, other worlds": measured("average_precision", stage="worlds", model=model, **at)}
        rows.append(row)
    named = {
        ("all", "all weeks"): "trees, all features",
        ("general", "all weeks"): "trees, without reading the rules",
        ("handbook", "all weeks"): "trees, features of the book",
        ("handbook", "a week"): "trees, features of the book, one week",
    }
    for (features, history), name in named.items():
        of = {"features": features, "history": history, **at}
        row = {"score": name, "AP": measured("average_precision", stage="weeks", **of)}
        row |= {"of the limit": measured("of_limit", stage="weeks", **of)}
        row |= {"CP@100": measured("card_precision", stage="weeks", **of)}
        if (features, history) != ("handbook", "all weeks"):
            row |= {"AP, other worlds": measured("average_precision", stage="worlds", **of)}
            row |= {"of the limit there": measured("of_limit", stage="worlds", **of)}
        rows.append(row)
    return rows


def against_the_limit(measured: Any, reported: Any) -> Rows:
    """Area under the ROC curve of the model minus that of the limit, by week, with intervals from resampled groups."""
    rows = []
    for week in (115, 129, 143, 157):
        for history in ("a week", "all weeks"):
            at = {"stage": "beaten", "week": week, "history": history}
            row = {"training week from day": str(week), "history": history, "difference": measured("gain", **at)}
            for name in ("card", "terminal"):
                row |= {f"{name}s, from": measured(f"{name}_low", **at), f"{name}s, to": measured(f"{name}_high", **at)}
            rows.append(row)
    return rows


def chosen(measured: Any, reported: Any) -> Rows:
    """Candidates for the settings of the trees, on validation weeks."""
    names = ("15 leaves, 200 trees", "31 leaves, 200 trees", "15 leaves, 400 trees", "7 leaves, 200 trees")
    return [{"settings": name, "AP": measured("validation_precision", candidate=name)} for name in names]


def late_labels(measured: Any, reported: Any) -> Rows:
    """Limit and model by the delay of labels, published world, one training a delay."""
    rows = []
    for delay in (0, 1, 2, 3, 5, 7, 10, 14):
        at = {"stage": "delays", "delay": delay}
        row = {"days": str(delay), "limit": measured("average_precision", model="limit", **at)}
        row |= {"model": measured("average_precision", model="trees", **at)}
        rows.append(row | {"of the limit": measured("of_limit", model="trees", **at)})
    return rows


def drilled(measured: Any, reported: Any) -> Rows:
    """Every drill: what is done, what is promised, and in what share of runs it was kept."""
    named = {
        "killed": ("kill −9 while payments stream in", "every acknowledged payment is there, the state is the same"),
        "torn": ("a write that stops at any byte", "cut off, nothing before it lost; other damage is refused"),
        "duplicated": ("every payment twice, some altered", "one answer, counted once; altered ones refused"),
        "clocks": ("late, a day ahead, without an offset", "counted at the newest time; refused; refused"),
        "store_gone": ("the store takes nothing for a while", "rules decide and say so; afterwards nothing is lost"),
        "bad_model": ("a model with labels turned round", "taken back by its gate"),
        "labels_stop": ("the label feed goes silent", "an alert, and none before"),
        "drift": ("amounts a half higher", "an alert before the first label is due"),
        "redis_killed": ("Redis under the journal is killed", "the batch fails; back again, nothing lost or doubled"),
        "broker_killed": ("the brokers are gone", "the batch fails within the patience"),
    }
    rows = []
    for drill, (what, promise) in named.items():
        row = {"drill": what, "promise": promise, "kept": measured("kept", drill=drill)}
        noticed = drill in ("bad_model", "labels_stop", "drift")
        rows.append(row | ({"noticed after": measured("until", drill=drill)} if noticed else {}))
    return rows


def offered(measured: Any, reported: Any) -> Rows:
    """Open-loop load with durability on, from when a request was due."""
    rows = []
    named = {"real-time": "first", "normal": "normal"}
    quantiles = {"p50": "median", "p99": "99 %", "p999": "99.9 %"}
    for rate, priority in product((500, 1000), ("real-time", "normal")):
        at = {"stage": "load", "rate": rate, "priority": priority}
        row = {"payments/s": f"{rate:,}", "priority": named[priority], "within 10 ms": measured("within", **at)}
        row |= {title: measured(name, **at) for name, title in quantiles.items()}
        rows.append(row | {"unanswered": measured("failed", **at)})
    for priority in ("real-time", "normal"):
        at = {"stage": "stalls", "priority": priority}
        row = {"payments/s": "it sleeps", "priority": named[priority]}
        rows.append(row | {"within 10 ms": measured("seen", **at)})
    return rows


def parts(measured: Any, reported: Any) -> Rows:
    """CPU time of the parts of a decision, and of other ways to score a row."""
    reasons = ("SHAP, on demand", "contributions, Python")
    onnx = ("ONNX Runtime, float64", "ONNX Runtime, float32")
    rows = []
    for part in ("single row, C interface", *onnx, "Booster.predict", "packed trees, Python", *reasons):
        row = {"part": part, "CPU": measured("cpu_time", part=part), "over the first": measured("ratio", part=part)}
        rows.append(row | ({} if part in reasons else {"largest difference": measured("error", part=part)}))
    others = ("windows", "counts to features")
    return rows + [{"part": part, "CPU": measured("cpu_time", part=part)} for part in others]


def http_servers(measured: Any, reported: Any) -> Rows:
    """CPU time of a request by HTTP server, the same handler behind each."""
    named = {
        "uvicorn": "uvicorn, bare ASGI: in use",
        "uvicorn, parser in Python": "uvicorn with the parser h11",
        "uvicorn, Starlette": "uvicorn, routes by Starlette",
        "granian, ASGI": "granian, bare ASGI",
        "granian, RSGI": "granian, its own interface",
    }
    return [
        {"server": name, "CPU": measured("cpu_time", server=server), "over the first": measured("ratio", server=server)}
        for server, name in named.items()
    ]


def alternatives(measured: Any, reported: Any) -> Rows:
    """What else each part of the service could be, by what it is measured by and what it brings along."""
    week = {"stage": "weeks", "week": 115}
    book = {name: measured("average_precision", stage="reproduce", model=name) for name in ("rules", *MODELS)}
    rows: Rows = [
        {
            "part": "model",
            "choice": "one rule: the amount is above 220",
            "AP": book["rules"],
            "brings along": "nothing",
        },
        *(
            {"part": "model", "choice": MODELS[name], "AP": book[name], "brings along": LIBRARY[name]}
            for name in MODELS
        ),
    ]
    for features, history, name in (
        ("handbook", "a week", "the book's features, a week"),
        ("all", "all weeks", IN_USE),
    ):
        ap = measured("average_precision", features=features, history=history, **week)
        rows.append({"part": "model", "choice": f"LightGBM, {name}", "AP": ap, "brings along": "LightGBM"})
    for part, name, along in SCORERS:
        rows.append({"part": "scorer", "choice": name, "CPU": measured("cpu_time", part=part), "brings along": along})
    for server, name, along in SERVERS:
        cpu = measured("cpu_time", server=server)
        rows.append({"part": "server", "choice": name, "CPU": cpu, "brings along": along})
    for store, name, along in STORES:
        commit = measured("commit_time", store=store, batch=10)
        rows.append({"part": "journal", "choice": name, "commit of ten": commit, "brings along": along})
    return rows


def kept_where(measured: Any, reported: Any) -> Rows:
    """A commit of one record and of ten, by store."""
    named = {
        "file": "file of the service",
        "sqlite": "SQLite",
        "redis": "Redis",
        "kafka": "Kafka protocol, mock brokers",
    }
    rows = []
    for store, name in named.items():
        row = {"store": name}
        for batch, title in ((1, "one record"), (10, "ten")):
            row |= {f"{title}, median": measured("commit_time", store=store, batch=batch)}
            row |= {f"{title}, 99 %": measured("commit_tail", store=store, batch=batch)}
        rows.append(row)
    return rows


def tests_of_models(measured: Any, reported: Any) -> Rows:
    """What it takes to tell a better recall, computed."""
    named = {"two arms": "two arms, different frauds", "paired": "in shadow, the same frauds"}
    return [
        {"test": name, "frauds": measured("frauds", test=test), "length": measured("length", test=test)}
        for test, name in named.items()
    ]


def scaling(measured: Any, reported: Any) -> Rows:
    """What each order of magnitude asks for, estimated, and what gives way first."""
    first = {
        10_000: "nothing",
        100_000: "nothing",
        1_000_000: "memory of Python's lists",
        10_000_000: "memory, then the one process",
        100_000_000: "the one process: partition by card, terminal counts by message",
    }
    rows = []
    for payments, gives in first.items():
        at = {"payments": payments}
        row = {"payments a day": f"{payments:,}", "at the peak": measured("rate_needed", **at)}
        row |= {"memory": measured("memory", **at), "journal a day": measured("journal_growth", **at)}
        rows.append(row | {"processes": measured("processes", **at), "gives way first": gives})
    return rows


TABLES = (
    *(
        reported_and_reproduced,
        limit_and_models,
        against_the_limit,
        chosen,
        late_labels,
        drilled,
        offered,
        parts,
        kept_where,
    ),
    *(tests_of_models, scaling, http_servers, alternatives),
)
