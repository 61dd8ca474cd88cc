"""This blog's engine as a dataset: what of its code decides which runs are stale, makes them and records them.

The matrix measures the engine from outside, in processes of its own, so following names from the stage would not reach
it. As data it counts by symbol, like any code that a stage reaches: a change of a comment in it leaves the runs fresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lockstep
import numpy as np
from lockstep.datasets import Arrays
from lockstep.depend.canonical import digest_value
from lockstep.depend.reach import TEXT, Start, reach
from lockstep.depend.source import Source


@dataclass
class Engine:
    """Everything that functions of the engine (module, name) can reach. It has what the engine asks of a dataset."""

    starts: tuple[tuple[str, str], ...]
    home: Path = Path(lockstep.__path__[0]).parent

    @cached_property
    def symbols(self) -> dict[str, str]:
        """Each symbol with its digest."""
        source = Source(self.home, engine=self.home)
        found = [reach(source, Start(module, function)).symbols for module, function in self.starts]
        named = {symbol: digest for symbols in found for symbol, digest in symbols.items()}
        return {symbol: digest for symbol, digest in named.items() if not symbol.endswith(TEXT)}  # lines of messages

    @cached_property
    def digest(self) -> str:
        return digest_value(self.symbols)

    def load(self) -> Arrays:
        """The names of the symbols."""
        return {"symbols": np.array(sorted(self.symbols))}


STARTS = (("lockstep.execute.runner", "run_stages"), ("lockstep.execute.worker", "main"))  # plans a run, and makes it
runs = Engine(STARTS)
