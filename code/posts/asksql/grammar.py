"""Grammars under which nothing can be written but SQL over the live schema; llguidance turns them into masks of tokens.

Two grammars. `of_table` has the queries of one table that WikiSQL has: an aggregate, a column, conditions joined by
AND; a value is a part of the question, in the question's own spelling, or any number. `of_schema` has joins and
nesting for a whole schema: in a query of one table all columns are that table's; in a join every column is named with
its table's alias. It leaves out tables that a query makes within FROM, outer joins and HAVING. Names are plain
(prompt.py), so a grammar holds nothing that a stranger wrote but the question, as text to copy from.

The mask of the next token is made while the model computes its scores, and both meet at the choice of the token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from lockstep.errors import LockstepError
from tokenizers import Tokenizer
from torch import Tensor

from posts.asksql.prompt import Table

TABLES_OF_A_JOIN = 2
AGGREGATES = '"MAX" | "MIN" | "COUNT" | "SUM" | "AVG"'
NUMBER = r"/-?[0-9]{1,12}(\.[0-9]{1,6})?/"


def of_table(table: Table, question: str) -> str:
    """Queries of one table whose values come from the question."""
    return "\n".join(
        [
            f'start: "SELECT " selected " FROM {table.name}" (" WHERE " condition (" AND " condition){{0,4}})? "\\n"',
            'selected: column | aggregate "(" column ")"',
            f"aggregate: {AGGREGATES}",
            f"column: {_any(table.columns)}",
            'condition: column " " SIGN " " value',
            'SIGN: "=" | ">" | "<"',
            value_rule(question),
        ]
    )


def value_rule(question: str) -> str:
    """A string of SQL that holds a part of the question or a number. A quotation mark in it is doubled.

    Each is one terminal with its quotation marks: apart, a mark in the question would be taken for the end.
    """
    spoken = " ".join(question.split()).replace("'", "''")
    number = f'QUOTED_NUMBER: "\'" NUMBER "\'"\nNUMBER: {NUMBER}'
    if not spoken:
        return f"value: QUOTED_NUMBER\n{number}"
    part = f"PART: %regex {json.dumps({'substring_chars': spoken})}"
    return f'value: QUOTED | QUOTED_NUMBER\nQUOTED: "\'" PART "\'"\n{part}\n{number}'


def of_schema(tables: Sequence[Table], question: str, depth: int = 4) -> str:
    """Queries of a whole schema, nested up to `depth` deep."""
    rules = ['start: query_0 "\\n"', f"aggregate: {AGGREGATES}", 'SIGN: "=" | ">" | "<" | "<>" | ">=" | "<="']
    rules += [value_rule(question), "literal: value | NUMBER"]
    for level in range(depth):
        rules.append(f"query_{level}: {' | '.join(f'of_{table.name}_{level}' for table in tables)} | join_{level}")
        for table in tables:
            rules += _single(table, level, level + 1 < depth)
        rules += _join(tables, level, level + 1 < depth)
    for table in tables:
        rules.append(f"column_{table.name}: {_any(table.columns)}")
    return "\n".join(rules)


def _single(table: Table, level: int, nests: bool) -> list[str]:
    name, column = f"{table.name}_{level}", f"column_{table.name}"
    return [
        f'of_{name}: "SELECT " "DISTINCT "? item_{table.name} " FROM {table.name}" (" WHERE " some_{name})? '
        f"tail_{table.name}?",
        *(_tail(table.name, column) if level == 0 else ()),
        *_conditions(name, column, level, nests),
    ]


def _join(tables: Sequence[Table], level: int, nests: bool) -> list[str]:
    aliases = [f"{table.name}_{n}" for table in tables for n in range(TABLES_OF_A_JOIN)]
    column = "column_joined"
    rules = [
        f'join_{level}: "SELECT " "DISTINCT "? item_joined " FROM " source ((" CROSS JOIN " | ", ") source)+ '
        f'(" WHERE " some_joined_{level})? tail_joined?',
        *_conditions(f"joined_{level}", column, level, nests),
    ]
    if level == 0:
        rules += _tail("joined", column)
        rules.append(f"source: {_any(f'{alias[: alias.rindex(chr(95))]} AS {alias}' for alias in aliases)}")
        named = (f'"{table.name}_" ("0" | "1") "." column_{table.name}' for table in tables)
        rules.append(f"column_joined: {' | '.join(named)}")
    return rules


def _tail(name: str, column: str) -> list[str]:
    return [
        f'item_{name}: one_{name} (", " one_{name}){{0,3}}',
        f'one_{name}: {column} | aggregate "(" "DISTINCT "? {column} ")" | "COUNT" "(" ("*" | "1") ")"',
        f'tail_{name}: (" GROUP BY " ({column} | "(" {column} ")"))? (" ORDER BY " one_{name} (" ASC" | " DESC")?)? '
        '(" LIMIT " /[1-9][0-9]?/)?',
    ]


def _conditions(name: str, column: str, level: int, nests: bool) -> list[str]:
    inner = f'| {column} " " SIGN " (" query_{level + 1} ")" | "NOT "? {column} (" NOT")? " IN (" query_{level + 1} ")"'
    return [
        f'some_{name}: one_of_{name} ((" AND " | " OR ") one_of_{name}){{0,4}}',
        f'one_of_{name}: {column} " " SIGN " " (literal | {column}) {inner if nests else ""}'
        f' | {column} " IS NOT NULL" | {column} " IS NULL"',
    ]


def _any(words: Iterable[str]) -> str:
    return " | ".join(json.dumps(word) for word in words)


class Grammars:
    """Masks for one tokenizer, which is prepared once."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokens = LLTokenizer(tokenizer.to_str())
        self.size = tokenizer.get_vocab_size()

    def writer(self, grammar: str) -> Writer:
        """What keeps one answer within a grammar. Raises LockstepError where the grammar is not one."""
        matcher = LLMatcher(self.tokens, LLMatcher.grammar_from_lark(grammar))
        if matcher.get_error():
            raise LockstepError(f"the schema makes no grammar: {matcher.get_error()}")
        return Writer(matcher, self.size)


class Writer:
    """The state of one answer within its grammar."""

    def __init__(self, matcher: LLMatcher, size: int):
        self.matcher, self.size = matcher, size
        self.bits = allocate_token_bitmask(1, size)

    def allowed(self) -> Tensor:
        """Which tokens (V,) may come next."""
        fill_next_token_bitmask(self.matcher, self.bits, 0)
        packed = self.bits[0].view(np.uint8)
        return torch.from_numpy(np.unpackbits(packed, bitorder="little")[: self.size].astype(bool))

    def take(self, token: int) -> None:
        """The answer goes on with this token. Raises LockstepError for one that the grammar forbids."""
        if not self.matcher.consume_token(token):
            raise LockstepError(f"token {token} does not go on a query of this grammar")

    @property
    def done(self) -> bool:
        """Whether the answer is whole and can only end."""
        return self.matcher.is_stopped()
