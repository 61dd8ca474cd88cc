"""Who may ask, and how much: API keys, of which only hashes are kept, with limits of tokens and of requests at once.

A key is 32 random bytes, so SHA-256 without a salt is enough: nobody can guess through them. A line of the file is
{"name": …, "sha256": …, "tokens_per_minute": …, "concurrent": …, "admin": …}.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from posts.serving.service.settings import BadSettings


class Key(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whom a key belongs to, and what it allows."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    tokens_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 60_000.0
    concurrent: Annotated[int, msgspec.Meta(ge=1)] = 16
    admin: bool = False


ANYONE = Key("anyone", "0" * 64, float("inf"), 1 << 30, admin=True)  # where no keys are asked for: this machine only


def made(name: str) -> tuple[str, bytes]:
    """A new key, and the line for the file."""
    secret = "sk-" + secrets.token_urlsafe(32)
    return secret, msgspec.json.encode(Key(name, hashed(secret)))


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass
class Account:
    """What a key has used. Tokens come back steadily, up to those of a minute."""

    key: Key
    left: float
    at: float
    running: int = 0


class Keys:
    """The keys of a file, or anyone without one. Raises BadSettings with file and line for what is no key."""

    def __init__(self, path: str, clock: Callable[[], float]):
        self.clock, self.open = clock, not path
        self.accounts: dict[str, Account] = {}
        lines = Path(path).read_bytes().splitlines() if path else []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                key = msgspec.json.decode(line, type=Key)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                raise BadSettings(f"{path}:{number}: no key: {error}") from None
            self.accounts[key.sha256] = Account(key, key.tokens_per_minute, clock())
        if path and not self.accounts:
            raise BadSettings(f"{path}: it holds no key; `python -m posts.serving key NAME` makes one")
        self.anyone = Account(ANYONE, float("inf"), clock())

    def account(self, authorization: str) -> Account | None:
        """Whose key a header carries. Looked up by its hash, so that time tells nothing about the key."""
        if self.open:
            return self.anyone
        scheme, _, secret = authorization.partition(" ")
        return self.accounts.get(hashed(secret)) if scheme.lower() == "bearer" else None

    def wait(self, account: Account, tokens: float) -> float:
        """Seconds until these tokens may be used; 0 where they may now, and then they are taken."""
        rate, now = account.key.tokens_per_minute / 60, self.clock()
        if rate == float("inf"):
            return 0.0
        account.left = min(account.key.tokens_per_minute, account.left + max(0.0, now - account.at) * rate)
        account.at = now
        if tokens > account.left:
            return (tokens - account.left) / rate
        account.left -= tokens
        return 0.0
