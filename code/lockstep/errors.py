"""Every error a user can cause, as one tree.

LockstepError
├── FingerprintError   code that the engine cannot read: a syntax error, an unknown stage function
└── RunFailed          a stage gave up on its own account (a loss that is not finite)
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LockstepError(Exception):
    """Something a user can mend. The message names file, line, what was expected and the nearest known name."""


class FingerprintError(LockstepError):
    """Code that no fingerprint can be taken of."""


class RunFailed(LockstepError):
    """A stage says that its result is not usable. Recorded as failed, never rolled again."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` where a known name is close, else the known names, else nothing."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1):
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(names)}" if names else ""
