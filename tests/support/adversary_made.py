"""Projects and edits that nobody thought of: modules in a chain, by many roads, and one change somewhere in them.

Each module gives a function `act`, in one of several ways, and may use the `act` of the module before it, by one of
several roads. Every number in a project is a slot; an edit raises one of them, or swaps two statements that stand side
by side. Whether that changes the result is not known here: a run from scratch tells.
"""

from __future__ import annotations

import re
from string import Template

from adversary import Trial
from hypothesis import strategies as st
from posts.drift.adversary.case import Case, File
from posts.drift.adversary.own import project

SLOT, SWAP = re.compile(r"<(\d+)>"), re.compile(r"\[\[(.*?)\|\|(.*?)\]\]", re.DOTALL)

ROADS = {  # how a module says that it uses another, and the expression for that other's function
    "from": ("from $package.$low import act as lower", "lower"),
    "module": ("import $package.$low", "$package.$low.act"),
    "getattr": ("from $package import $low", 'getattr($low, "a" + "ct")'),
    "relative": ("from .$low import act as lower", "lower"),
    "relative module": ("from . import $low", "$low.act"),
    "inside": ("", "later()"),
    "star": ("from $package.$low import *\nlower = act", "lower"),
    "import_module": ("from importlib import import_module as load", 'load("$package.$low").act'),
    "sys.modules": ("import sys\nimport $package.$low", 'vars(sys.modules["$package." + "$low"])["act"]'),
    "dictionary": ("from $package import $low\nTABLE = {'one': $low}", 'TABLE["one"].act'),
    "attribute": ("from $package import $low\nclass Held:\n    low = $low", "Held.low.act"),
    "resolve": ("import pkgutil", 'pkgutil.resolve_name("$package.$low:act")'),
    "pickle": ("import pickle", 'pickle.loads(b"c$package.$low\\nact\\n.")'),
    "globals": ("from $package import $low", 'globals()["$low"].act'),
    "partial": ("from functools import partial\nfrom $package import $low\nlower = partial($low.act)", "lower"),
}
LATER = "def later():\n    from $package.$low import act\n    return act\n"
WAYS = {  # how a module gives its function; $lower is that of the module before it
    "function": "def act(x):\n    return $lower(x) + <>\n",
    "constant": "SIZE = <>\ndef act(x):\n    return $lower(x) * SIZE\n",
    "default": "def act(x, more=<>):\n    return $lower(x) + more\n",
    "lambda": "act = lambda x: $lower(x) - <>\n",
    "closure": "def make(n):\n    def inner(x):\n        return $lower(x) + n\n    return inner\nact = make(<>)\n",
    "method": "class Net:\n    size = <>\n"
    "    def act(self, x):\n        return $lower(x) + self.size * <>\nact = Net().act\n",
    "base": "class Base:\n    gain = <>\n    def act(self, x):\n        return $lower(x) * self.gain\n"
    "class Net(Base):\n    bias = <>\nact = Net().act\n",
    "property": "class Net:\n    @property\n    def size(self):\n        return <>\n"
    "def act(x):\n    return $lower(x) + Net().size\n",
    "decorator": "def more(function):\n    def inner(x):\n        return function(x) + <>\n    return inner\n"
    "@more\ndef act(x):\n    return $lower(x) + <>\n",
    "registry": "STEPS = []\ndef register(step):\n    STEPS.append(step)\n    return step\n"
    "[[@register\ndef first(x):\n    return x + <>\n||@register\ndef second(x):\n    return x * <>\n]]"
    "def act(x):\n    for step in STEPS:\n        x = step(x)\n    return $lower(x)\n",
    "subclasses": "KINDS = []\nclass Base:\n    def __init_subclass__(cls):\n        KINDS.append(cls)\n"
    "[[class One(Base):\n    size = <>\n||class Two(Base):\n    size = <>\n]]"
    "def act(x):\n    return $lower(x) + KINDS[0].size * 3 + KINDS[-1].size\n",
    "metaclass": "KINDS = []\nclass Meta(type):\n    def __init__(cls, name, bases, body):\n        KINDS.append(cls)\n"
    "class One(metaclass=Meta):\n    size = <>\ndef act(x):\n    return $lower(x) + KINDS[0].size\n",
    "effects": "ALL = [<>]\n[[TOTAL = sum(ALL)\n||ALL.append(<>)\n]]def act(x):\n    return $lower(x) + TOTAL\n",
    "condition": 'if __name__ != "__main__":\n    SIZE = <>\nelse:\n    SIZE = <>\n'
    "def act(x):\n    return $lower(x) + SIZE\n",
    "types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    SIZE: int\nelse:\n    SIZE = <>\n"
    "def act(x):\n    return $lower(x) + SIZE\n",
    "enumeration": "from enum import IntEnum\nclass Mode(IntEnum):\n    FAST = <>\n    SLOW = 2 * <>\n"
    "def act(x):\n    return $lower(x) + Mode.FAST\n",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass Net:\n    size: int = <>\n    depth: int = <>\n"
    "def act(x):\n    return $lower(x) + Net(depth=3).size\n",
    "text": "SIZES = {'a': <>, 'b': <>}\ndef act(x):\n    return $lower(x) + SIZES['ab'[x % 2 > 5]]\n",
    "exec": 'names = {}\nexec("def inner(x): return x + <>", names)\n'
    'def act(x):\n    return $lower(names["inner"](x))\n',
    "twice": "[[def act(x):\n    return $lower(x) + <>\n||def act(x):\n    return $lower(x) * <>\n]]",
    "patch": "class Net:\n    size = <>\nNet.size += <>\ndef act(x):\n    return $lower(x) + Net.size\n",
    "docstring": 'def told():\n    """<>"""\ndef act(x):\n    return $lower(x) + int(getattr(told, "__do" + "c__"))\n',
    "demand": "def __getattr__(name):\n    if name != 'size':\n        raise AttributeError(name)\n    return <>\n"
    "def act(x):\n    import sys\n    return $lower(x) + getattr(sys.modules[__name__], 'size')\n",
}
UNREAD = (
    "OTHER = <>\n",
    "def other(x):\n    return x - <>\n",
    "class Other:\n    size = <>\n",
    "x = {'one': [<>, <>]}\n",
    "from math import sqrt\nROOT = sqrt(<>)\n",
)
FIT = """def fit(run):
    x = int(run.config.scale)$data
    return {"value": float($use(x))}
"""


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """A project of one to four modules and an edit of it."""
    names = [f"m{number}" for number in range(draw(st.integers(1, 4)))]
    files: dict[str, str] = {}
    for low, name in zip(["", *names], [*names, "train"], strict=True):
        road = draw(st.sampled_from([*ROADS])) if low else ""
        says, use = ROADS[road] if road else ("", "")
        words = {"package": "$package", "low": low, "use": use, "lower": use, "data": draw(DATA)}
        later = LATER if road == "inside" else ""
        body = FIT if name == "train" else WAYS[draw(st.sampled_from([*WAYS]))]
        more = draw(st.sampled_from(("", *UNREAD)))
        files[f"{name}.py"] = _filled("\n".join(filter(None, [says, later + more + body])), words)
    files["@config"] = "    scale: float = <>.0\n    unread: int = <>\n"
    files["@make"] = 'def make():\n    return {"x": np.array([<>, <>])}\n'
    return _edited(draw, _numbered(files))


DATA = st.sampled_from(['+ int(run.data("line")["x"].sum())', "", "+ run.seed"]).map(lambda text: f" {text}".rstrip())


def _filled(text: str, words: dict[str, str]) -> str:
    """Twice, since what is filled in has placeholders itself."""
    for _ in range(2):
        text = Template(text).safe_substitute(words)
    return text


def _numbered(files: dict[str, str]) -> dict[str, str]:
    """Each `<>` with a number of its own."""
    count = iter(range(1000))
    return {name: re.sub("<>", lambda _: f"<{next(count)}>", text) for name, text in files.items()}


def _edited(draw: st.DrawFn, files: dict[str, str]) -> Trial:
    slots = [int(number) for text in files.values() for number in SLOT.findall(text)]
    swaps = [name for name, text in files.items() if SWAP.search(text)]
    raised = draw(st.sampled_from([*slots, *(["swap"] if swaps else [])]))
    swapped = draw(st.sampled_from(swaps)) if raised == "swap" else None
    sides = []
    for after in (False, True):
        texts = []
        for name, text in files.items():
            order = r"\2\1" if after and name == swapped else r"\1\2"
            plain = SWAP.sub(order, text)
            texts.append(File(name, SLOT.sub(lambda found, after=after: _number(found, after, raised), plain)))
        sides.append(project(Case("made", "made", tuple(texts)), False))
    what = f"swap in {swapped}" if swapped else f"slot {raised}"
    return Trial(what, "made", sides[0], sides[1])


def _number(found: re.Match[str], after: bool, raised: object) -> str:
    slot = int(found[1])
    return str(11 + 3 * slot + (5 if after and slot == raised else 0))
