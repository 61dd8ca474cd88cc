"""A query of one table in parts, as WikiSQL has them: what is compared where two queries count as the same.

Same logical form (Zhong et al., 2017): the same aggregate, column and set of conditions, values compared without
regard to case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from posts.asksql.prompt import quoted

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
SIGNS = ("=", ">", "<")
QUERY = re.compile(
    r"^\s*SELECT\s+(?:(?P<aggregate>MAX|MIN|COUNT|SUM|AVG)\s*\(\s*(?P<inside>\w+)\s*\)|(?P<column>\w+))"
    r"\s+FROM\s+\w+(?:\s+WHERE\s+(?P<where>.+?))?\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
CONDITION = re.compile(r"\s*(\w+)\s*(=|>|<)\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))\s*")
AND = re.compile(r"AND\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sketch:
    """Aggregate ("" for none), column, and conditions of column, sign and value."""

    aggregate: str
    column: str
    conditions: tuple[tuple[str, str, str], ...]

    def sql(self, table: str = "t") -> str:
        selected = f"{self.aggregate}({self.column})" if self.aggregate else self.column
        where = " AND ".join(f"{column} {sign} {quoted(value)}" for column, sign, value in self.conditions)
        return f"SELECT {selected} FROM {table}" + (f" WHERE {where}" if where else "")

    @property
    def form(self) -> tuple[str, str, frozenset[tuple[str, str, str]]]:
        """What two queries of the same logical form have in common."""
        conditions = frozenset((column, sign, value.lower().strip()) for column, sign, value in self.conditions)
        return self.aggregate, self.column, conditions


def parse(sql: str) -> Sketch | None:
    """The parts of a query; None for what is no query of one table with conditions joined by AND."""
    found = QUERY.match(sql)
    if not found:
        return None
    conditions: list[tuple[str, str, str]] = []
    where, at = found["where"] or "", 0
    while at < len(where):
        if conditions:
            joined = AND.match(where, at)
            if not joined:
                return None
            at = joined.end()
        one = CONDITION.match(where, at)
        if not one:
            return None
        value = one[3].replace("''", "'") if one[3] is not None else one[4]
        conditions.append((one[1].lower(), one[2], value))
        at = one.end()
    column = (found["inside"] or found["column"]).lower()
    return Sketch((found["aggregate"] or "").upper(), column, tuple(conditions))
