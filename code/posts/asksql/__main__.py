"""`python -m posts.asksql ask mydata.sqlite "Which boats are longer than 12 m?"`, of a database or a CSV file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lockstep.errors import LockstepError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with an answer, 3 where the question was declined, 2 for a user's mistake, which is told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m posts.asksql", description=__doc__)
    commands = parser.add_subparsers(required=True)
    ask = commands.add_parser("ask", help="ask one question")
    ask.add_argument("data", type=Path, help="an SQLite database or a CSV file; it is never changed")
    ask.add_argument("question")
    ask.add_argument("--adapter", type=Path, help="the adapter, where it is not the published one")
    ask.add_argument("--calibration", type=Path, help="the calibration, where it is not the published one")
    ask.add_argument("--seconds", type=float, default=2.0, help="what a query may take")
    ask.add_argument("--rows", type=int, default=200, help="how many rows are shown")
    asked = parser.parse_args(arguments)
    try:
        return _ask(asked)
    except LockstepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _ask(asked: argparse.Namespace) -> int:
    from lockstep.catalogue import smollm2  # after the arguments: a mistake is told at once

    from posts.asksql import weights
    from posts.asksql.ask import PUBLISHED, Assistant, open_any
    from posts.asksql.confidence import Calibration
    from posts.asksql.execute import Limits

    database = open_any(asked.data)
    adapter = asked.adapter or PUBLISHED / "adapter.safetensors"
    calibration = asked.calibration or PUBLISHED / "calibration.json"
    for path in (adapter, calibration):
        if not path.is_file():
            raise LockstepError(f"{path} is not there: train the model first, or name another file")
    assistant = Assistant(weights.read(smollm2.load()["gguf"]), Calibration.read(calibration), adapter)
    reply = assistant.ask(database, asked.question, Limits(asked.seconds, asked.rows))
    database.close()
    if reply.declined:
        print(f"I do not answer this: {reply.declined}.\nMy best attempt was: {reply.sql}  (t is {reply.table})")
        return 3
    assert reply.result is not None
    print(f"{reply.sql}  (t is {reply.table})\nconfidence {reply.confidence:.2f}\n")
    for row in [reply.result.columns, *reply.result.rows]:
        print(" | ".join("" if cell is None else str(cell) for cell in row))
    if reply.result.cut:
        print(f"… only the first {len(reply.result.rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
