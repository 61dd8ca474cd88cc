"""Settings, from variables SERVING_…, all checked at the start: a server that starts has settings that make sense.

`python -m posts.serving settings` prints each with its meaning and its value.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError, nearest

PREFIX = "SERVING_"
MODELS = ("smollm2", "tiny")
WEIGHTS = ("int8", "float32")


class BadSettings(LockstepError):
    """Settings with which no server should start."""


def setting(default: Any, meaning: str, least: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"meaning": meaning, "least": least, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """Every setting, with what it means."""

    model: str = setting("smollm2", "which model; tiny is a random one, for trials", choices=MODELS)
    weights: str = setting("int8", "in what the products are computed", choices=WEIGHTS)
    host: str = setting("127.0.0.1", "where to listen; other than on this machine only with keys")
    port: int = setting(8000, "where to listen", 0)
    fd: int = setting(
        -1, "a socket that listens already, as systemd hands it over; then host and port do not count", -1
    )
    keys: str = setting("", "a file of hashed API keys, as `python -m posts.serving key NAME` prints them")
    adapters: str = setting("", "the only folder that adapters may be loaded from; without one, none")
    pages: int = setting(1024, "pages of the KV cache, of 16 positions each", 1)
    sequences: int = setting(16, "requests that are computed at once", 1)
    budget: int = setting(128, "tokens computed in one step", 1)
    chunk: int = setting(64, "tokens of one prompt computed in one step", 1)
    context: int = setting(2048, "most tokens of prompt and answer together", 2)
    share: bool = setting(True, "keep pages of prompts that begin alike")
    queue_tokens: int = setting(16384, "tokens that may wait to be computed before requests are turned away", 1)
    deadline: float = setting(
        120.0, "seconds until a request is given up, where it asks for less or for nothing", 0.001
    )
    stall: float = setting(20.0, "seconds that a client may take no byte before its request is ended", 0.001)
    drain: float = setting(60.0, "seconds that requests may take to end after SIGTERM", 0)
    threads: int = setting(1, "threads of a product", 1)
    traces: str = setting(
        "", "a file that a line is written to for each request, in OpenTelemetry's JSON; none without"
    )


def read(environment: Mapping[str, str]) -> Settings:
    """Settings out of the environment. Raises BadSettings with every problem at once."""
    known = {each.name: each for each in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known:
            near = nearest(variable, [PREFIX + each.upper() for each in known])
            problems.append(f"{variable} is no setting{near}")
            continue
        try:
            values[name] = _parsed(known[name].type, text)
        except ValueError:
            problems.append(f"{variable}={text}: expected {EXPECTED[str(known[name].type)]}")
    made = Settings(**values)
    problems += _problems(made)
    if problems:
        raise BadSettings("the settings cannot be used:\n  " + "\n  ".join(problems))
    return made


EXPECTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}


def _parsed(kind: Any, text: str) -> Any:
    if kind == "bool":
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError
        return text.lower() in ("true", "1")
    return {"int": int, "float": float, "str": str}[str(kind)](text)


def _problems(made: Settings) -> list[str]:
    found = []
    for each in dataclasses.fields(made):
        value, variable = getattr(made, each.name), PREFIX + each.name.upper()
        least, choices = each.metadata["least"], each.metadata["choices"]
        if least is not None and not value >= least:
            found.append(f"{variable}={value}: expected at least {least:g}")
        if choices and value not in choices:
            found.append(f"{variable}={value}: expected one of {', '.join(choices)}{nearest(value, choices)}")
    if made.chunk > made.budget:
        found.append(
            f"SERVING_CHUNK={made.chunk} is more than SERVING_BUDGET={made.budget}, the tokens of a whole step"
        )
    if made.sequences > made.budget:
        found.append(
            f"SERVING_SEQUENCES={made.sequences} is more than SERVING_BUDGET={made.budget}: each needs a token"
        )
    if made.keys and not Path(made.keys).is_file():
        found.append(f"SERVING_KEYS={made.keys}: there is no such file")
    if made.adapters and not Path(made.adapters).is_dir():
        found.append(f"SERVING_ADAPTERS={made.adapters}: there is no such folder")
    if not made.keys and made.fd < 0 and not _local(made.host):
        found.append(f"SERVING_HOST={made.host} is open to others: set SERVING_KEYS as well")
    return found


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def told(made: Settings) -> str:
    """Every setting, a line each."""
    lines = []
    for each in dataclasses.fields(made):
        lines.append(f"{PREFIX}{each.name.upper()}={getattr(made, each.name)}".ljust(34) + each.metadata["meaning"])
    return "\n".join(lines)
