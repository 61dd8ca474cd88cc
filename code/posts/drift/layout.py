"""What the projects of all tools share: settings, data, and the steps with an ending for each tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from posts.drift.edits import Change, dotted
from posts.drift.sample import SEEDS, imported, package

NOTE = """

def note(step):
    import os
    with open(os.environ["DRIFT_LOG"], "a") as log:
        log.write(step + "\\n")
    return float(os.environ["DRIFT_NOISE"])
"""
YAML, PYTHON = "/params.yaml", "/settings.py"
SETTINGS_YAML = f"scale: 2.0\nunread: 7\nseeds: {list(SEEDS)}\n"
SETTINGS_PYTHON = f"SCALE = 2.0\nUNREAD = 7\nSEEDS = {SEEDS}\n"
LINE = "0\n1\n2\n3\n"
DATA = Change("/data/line.txt", "3\n", "3\n4\n")
IN_YAML = {
    "@read": Change(YAML, "scale: 2.0", "scale: 3.0"),
    "@unread": Change(YAML, "unread: 7", "unread: 8"),
    "@added": Change(YAML, "[0, 1, 2]", "[0, 1, 2, 3]"),
    "@removed": Change(YAML, "[0, 1, 2]", "[0, 1]"),
    "@data": DATA,
}
IN_PYTHON = {
    "@read": Change(PYTHON, "SCALE = 2.0", "SCALE = 3.0"),
    "@unread": Change(PYTHON, "UNREAD = 7", "UNREAD = 8"),
    "@added": Change(PYTHON, "(0, 1, 2)", "(0, 1, 2, 3)"),
    "@removed": Change(PYTHON, "(0, 1, 2)", "(0, 1)"),
    "@data": DATA,
}


def home(
    chosen: Mapping[str, str], name: str, endings: Mapping[str, str], moved: Mapping[str, str], note: str = NOTE
) -> dict[str, str]:
    """The package under `name`, with an ending of its own for each step, and before it what keeps the log."""
    files = package({**chosen, "package": dotted(name)})
    for step, ending in endings.items():
        files[f"{step}.py"] += note + ending
    return {f"{name}/{moved.get(file, file)}": text for file, text in files.items()}


def listed(chosen: Mapping[str, str], careful: bool) -> list[str]:
    """The modules that `train` imports, where an author lists them."""
    return [f"mini/{name}" for name in imported({**chosen, "package": "mini"})] if careful else []


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
