"""What this site uses of Pelican although its name is private. One that goes in a new version fails here, by name."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BORROWED = [
    ("pelican", "Pelican", "_get_generator_classes"),  # the public signal adds generators, and takes none away
    ("pelican.writers", "Writer", "_open_w"),  # every file that is written passes through it
    ("pelican.log", "LimitFilter", "_raised_messages"),  # else a second rendering in one process warns of nothing
    ("pelican.log", "LimitFilter", "_group_count"),
]


@pytest.mark.parametrize(("module", "owner", "name"), BORROWED)
def test_what_is_borrowed_is_still_there(module, owner, name):
    assert hasattr(getattr(import_module(module), owner), name)


def test_nothing_else_is_borrowed():
    text = "".join(path.read_text() for path in (ROOT / "code/lockstep/site").glob("*.py"))
    used = set(re.findall(r"(?:super\(\)|LimitFilter)\.(_[a-z]\w+)", text))
    assert used == {name for _, _, name in BORROWED} - {"_open_w"}
