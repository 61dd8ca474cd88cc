"""Every edit of the matrix: what is replaced by what, and which steps' results that should change.

The edits are those that the engine's own tests apply to a project like this one, under the same names; a test of this
post holds the two lists together. `changed` is a declaration, and matrix.py measures it: it runs the edited experiment
from scratch and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lockstep.errors import LockstepError

from posts.drift.sample import fill

ALL = ("train", "score", "total")
NONE: tuple[str, ...] = ()

WORDING = "wording and layout"
IDLE = "code and settings that nothing uses"
SAME = "other text, same meaning"
OWN = "the step's own file"
OTHER = "a module that the step imports"
EFFECT = "what acts on import"
DECLARED = "settings, grid and data"
STEPWISE = "one step of several"
PAGE = "the page around the numbers"
GROUPS = (WORDING, IDLE, SAME, OWN, OTHER, EFFECT, DECLARED, STEPWISE, PAGE)


@dataclass(frozen=True)
class Change:
    """One piece of text replaced by another; the file is a path in the package, or "@NAME", which each tool places."""

    file: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class Edit:
    """`changed`: the steps whose results differ after a run from scratch. `force`: `train` is made to run again first,
    and its results then carry this noise, as on another machine."""

    name: str
    group: str
    changes: tuple[Change, ...]
    changed: tuple[str, ...] = NONE
    force: float | None = None


def one(name: str, group: str, changed: tuple[str, ...], file: str, old: str = "", new: str = "") -> Edit:
    return Edit(name, group, (Change(file, old, new),), changed)


EDITS = (
    one("a comment", WORDING, NONE, "train.py", "# a comment", "# another comment"),
    one("a docstring", WORDING, NONE, "train.py", '"""The weight."""', '"""The weight, said otherwise."""'),
    one("layout", WORDING, NONE, "train.py", "defaulted(x, offset=$n1):", "defaulted(\n    x,\n    offset = $n1,\n):"),
    one(
        "definitions in another order",
        WORDING,
        NONE,
        "$helpers.py",
        "def $square(x):\n    return x * x\n\n\ndef $cube(x):\n    return x**3 * FACTOR\n",
        "def $cube(x):\n    return x**3 * FACTOR\n\n\ndef $square(x):\n    return x * x\n",
    ),
    one(
        "an unrelated function",
        IDLE,
        NONE,
        "train.py",
        "def unreached():",
        "def newcomer():\n    return 1\n\n\ndef unreached():",
    ),
    one("an unreached function", IDLE, NONE, "$helpers.py", "return -x", "return +x"),
    one("a constant that nothing reads", IDLE, NONE, "$deep.py", "OTHER = $n4", "OTHER = 1 + $n4"),
    one("a config field that is not", IDLE, NONE, "@unread"),
    one("an annotation", SAME, NONE, "$helpers.py", "def $cube(x):", "def $cube(x: float) -> float:"),
    Edit(
        "a symbol renamed everywhere",
        SAME,
        (
            Change("$helpers.py", "def $cube(x):", "def third_power(x):"),
            Change("train.py", "$helpers.$cube}", "$helpers.third_power}"),
        ),
    ),
    one("a default argument", OWN, ALL, "train.py", "offset=$n1", "offset=1 + $n1"),
    one("a decorator", OWN, ALL, "train.py", "(*arguments) + 1", "(*arguments) + 2"),
    one("a decorator taken away", OWN, ALL, "train.py", "@decorate\n", ""),
    one("a closure", OWN, ALL, "train.py", "return x + n", "return x - n"),
    one("a lambda", OWN, ALL, "train.py", "lambda x: x / 2", "lambda x: x / 4"),
    one("an operator in reach", OTHER, ALL, "$helpers.py", "x**3", "x**2"),
    one("a constant two modules away", OTHER, ALL, "$deep.py", "FACTOR = $n3", "FACTOR = 1 + $n3"),
    one("a class attribute", OTHER, ALL, "$layers.py", "bias = $n6", "bias = 1 + $n6"),
    one("a base class in another module", OTHER, ALL, "$base.py", "gain = $n5", "gain = 1 + $n5"),
    one("a method called through getattr", OTHER, ALL, "$layers.py", "max(x, 0.0)", "max(x, 1.0)"),
    one("a function in a dispatch dictionary", OTHER, ALL, "$helpers.py", "x * x", "x * x * x"),
    one("a star import", OTHER, ALL, "$starred.py", "return $n8", "return 1 + $n8"),
    one("a re-export", OTHER, ALL, "$reexport/$inner.py", "x + $n7", "x + 1 + $n7"),
    one(
        "another origin of a re-export",
        OTHER,
        ALL,
        "$reexport/__init__.py",
        "from $package.$reexport.$inner import $shifted",
        "from $package.$helpers import $square as $shifted",
    ),
    one("a module-level statement", EFFECT, ALL, "$effects.py", "range($n10)", "range(1 + $n10)"),
    one("a patch at import time", EFFECT, ALL, "$patcher.py", "return $n9", "return 1 + $n9"),
    one("what was patched", EFFECT, ALL, "$patcher.py", "$victim.$value = $other", "$victim.$value = lambda: 9"),
    one("an import for its side effect", EFFECT, ALL, "$effects.py", "append(i)", "append(-i)"),
    one("a config field that is read", DECLARED, ALL, "@read"),
    one("a grid value added", DECLARED, ALL, "@added"),
    one("a grid value removed", DECLARED, ("total",), "@removed"),
    one("the data", DECLARED, ALL, "@data"),
    one("an upstream stage", STEPWISE, ("score", "total"), "score.py", "weight * $n2", "1 + weight * $n2"),
    one("a stage at the end", STEPWISE, ("total",), "total.py", "sum(scores)", "2 * sum(scores)"),
    Edit("an artefact retrained to other bytes", STEPWISE, (), ("score", "total"), force=1.0),
    Edit("a stage that runs again to the same bytes", STEPWISE, (), NONE, force=0.0),
    one("a claim", PAGE, NONE, "@claim"),
    one("the theme", PAGE, NONE, "@theme"),
    one("prose", PAGE, NONE, "@prose"),
)


def selected(names: tuple[str, ...]) -> list[Edit]:
    """The edits of these names, all where there are none. Raises LockstepError for a name that is no edit's."""
    known = {edit.name for edit in EDITS}
    if unknown := set(names) - known:
        raise LockstepError(f"no edit is named {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
    return [edit for edit in EDITS if edit.name in names or not names]


def placed(edit: Edit, declared: Mapping[str, Change]) -> list[Change] | None:
    """The edit's changes with each "@NAME" where this tool has it; None where the tool has no such thing."""
    found = [declared.get(change.file) if change.file.startswith("@") else change for change in edit.changes]
    return None if None in found else [change for change in found if change]


def replace(path: Path, old: str, new: str) -> None:
    """Replace text that a file holds exactly once. Raises LockstepError where it does not."""
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise LockstepError(f"{path.name} holds {old!r} {text.count(old)} times: an edit replaces one place")
    path.write_text(text.replace(old, new), encoding="utf-8")


def dotted(home: str) -> str:
    """The package's name, from the folder that it lies in."""
    return home.removeprefix("code/").replace("/", ".")


def apply(changes: list[Change], folder: Path, home: str, moved: Mapping[str, str], chosen: Mapping[str, str]) -> None:
    """Make the changes in a project whose package lies at `home`; `moved` are files that have other names there."""
    chosen = {**chosen, "package": dotted(home)}
    for change in changes:
        name = fill(change.file, chosen)
        path = folder / (name.removeprefix("/") if name.startswith("/") else f"{home}/{moved.get(name, name)}")
        replace(path, fill(change.old, chosen), fill(change.new, chosen))
