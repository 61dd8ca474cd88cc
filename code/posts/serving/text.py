"""From tokens to text as it grows: characters that end in a later token, and stop strings that may begin in this one.

A token of a byte-level vocabulary is bytes, and a character may be spread over several. The standard library's
incremental decoder keeps what is not yet a character; nothing is decoded twice. Text that could be the beginning of a
stop string is held back until it is one or is none, so that no client sees a part of it.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer


@cache
def _byte_of() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for (Radford et al., 2019)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(byte): byte for byte in shown}
    rest = (byte for byte in range(256) if byte not in set(shown))
    return letters | {chr(256 + n): byte for n, byte in enumerate(rest)}


def byte_table(tokenizer: Tokenizer, size: int) -> list[bytes]:
    """The bytes of each token; none for marks such as <|im_end|>, which are no text."""
    special = tokenizer.get_added_tokens_decoder()
    table = []
    for number in range(size):
        token = tokenizer.id_to_token(number)
        shown = "" if token is None or number in special else token
        table.append(bytes(_byte_of()[letter] for letter in shown))
    return table


class Detokeniser:
    """The text of one answer, as far as it can be told."""

    def __init__(self, table: Sequence[bytes]):
        self.table = table
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        """What a token adds; nothing while a character is unfinished."""
        return self.decoder.decode(self.table[token])

    def end(self) -> str:
        """What is left: a replacement character for one that was never finished."""
        return self.decoder.decode(b"", final=True)


class Stops:
    """Stop strings over a growing text. `done` once one was found; what follows it is dropped."""

    def __init__(self, stops: Sequence[str]):
        self.stops = [stop for stop in stops if stop]
        self.held = ""
        self.done = False

    def add(self, text: str) -> str:
        """What may be shown now."""
        if self.done:
            return ""
        if not self.stops:
            return text
        self.held += text
        found = [at for stop in self.stops if (at := self.held.find(stop)) >= 0]
        if found:
            shown, self.held, self.done = self.held[: min(found)], "", True
            return shown
        keep = max(map(self._begun, self.stops))
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown

    def _begun(self, stop: str) -> int:
        """How many characters at the end of the held text could be the beginning of this stop string."""
        longest = min(len(stop) - 1, len(self.held))
        return next((n for n in range(longest, 0, -1) if self.held.endswith(stop[:n])), 0)

    def end(self) -> str:
        """No more text comes: what was held back is shown."""
        shown, self.held = ("" if self.done else self.held), ""
        return shown
