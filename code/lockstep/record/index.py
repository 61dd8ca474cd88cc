"""An index of entries by what they say of themselves: rows of a ledger, values that a paper reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Shape = tuple[str, ...]  # the names that a selection speaks of, in order


class Index(Generic[T]):
    """Entries by what they say of themselves, so that a selection costs what it finds and not what there is.

    For each set of names that selections ask for, all entries are gone through once. Values are compared as text.
    """

    def __init__(self, entries: Iterable[tuple[T, Mapping[str, Any]]]):
        self.entries = list(entries)
        self._found: dict[Shape, dict[tuple[str, ...], list[T]]] = {}
        self._known: dict[str, set[str]] = {}

    @cached_property
    def names(self) -> set[str]:
        """Every name that some entry has."""
        return {name for _, known in self.entries for name in known}

    def matching(self, where: Mapping[str, Any]) -> Sequence[T]:
        """The entries that have each of these names with that value, in their order."""
        shape = tuple(sorted(where))
        if shape not in self._found:
            found: dict[tuple[str, ...], list[T]] = {}
            for entry, known in self.entries:
                if all(name in known for name in shape):
                    found.setdefault(tuple(str(known[name]) for name in shape), []).append(entry)
            self._found[shape] = found
        return self._found[shape].get(tuple(str(where[name]) for name in shape), ())

    def values(self, name: str) -> set[str]:
        """Every value of a name, as text."""
        if name not in self._known:
            self._known[name] = {str(known[name]) for _, known in self.entries if name in known} - {""}
        return self._known[name]
