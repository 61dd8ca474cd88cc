"""Addresses of stores and schedulers: they hold no secret, and what is told of a failure shows none.

Credentials come from the environment or from the configuration of fsspec, which nobody writes down.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from lockstep.errors import LockstepError

NAMED = re.compile(
    r"(?i)((?:\w*key|\w*secret|\w*token|\w*passw|\w*signature|\bsig|\w*credential)[^\s=&?/:@'\"]*=)[^\s&'\"]+"
)
BEFORE = re.compile(r"(\w://)[^\s@]*:[^\s@]*@")  # user:password@
SECRET = re.compile(r"(?i)key|secret|token|passw|credential")
LEAST = 8  # letters of a value that is looked for: shorter ones are in every text


def plain(address: str, what: str) -> str:
    """The address itself. Raises LockstepError where it holds a secret, without saying it."""
    if BEFORE.search(address) or NAMED.search(address):
        raise LockstepError(
            f"{what} {masked(address)} holds a secret, which would be written down with it: leave it out, and give it "
            "by the environment (as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or in ~/.config/fsspec/"
        )
    return address


def masked(text: str) -> str:
    """A text without passwords in addresses, and without any value that this process knows as a secret."""
    text = NAMED.sub(r"\1***", BEFORE.sub(r"\1***@", text))
    for value in sorted(_known(), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _known() -> Iterator[str]:
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= LEAST:
            yield value
    settings = sys.modules["fsspec.config"].conf if "fsspec.config" in sys.modules else {}
    for options in settings.values():
        if isinstance(options, dict):
            found = (value for name, value in options.items() if SECRET.search(str(name)))
            yield from (value for value in found if isinstance(value, str) and len(value) >= LEAST)
