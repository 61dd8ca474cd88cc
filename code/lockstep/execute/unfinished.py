"""What a run that still works has come to, in a store, so that another machine goes on with it where this one is lost.

Beside the run, a thread copies each new checkpoint, with what the run had read and was seen to do up to there, under
the key of the very run. It takes at most a tenth of the time.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError
from lockstep.execute.legs import stamp
from lockstep.record.files import digest_file, write_whole
from lockstep.record.store import Store

EVERY = 1.0  # seconds between two looks at the checkpoint
SHARE = 10


class Unfinished:
    """The unfinished work of one run, by its key."""

    def __init__(self, store: Store, key: str):
        self.store, self.key = store, key
        self.name = f"unfinished/{key}"
        self._copied: int | None = None

    def restore(self, scratch: Path, leg: int | None = None) -> bool:
        """Put it into the scratch folder where it is further than what lies there, and of this leg where one is named.

        Was there any that could be read?
        """
        entry = self._entry()
        if entry is None or entry["attempt"]["seconds"] <= _seconds(scratch) or leg not in (None, entry["leg"]):
            return False
        scratch.mkdir(parents=True, exist_ok=True)
        part = scratch / "checkpoint.part"
        if not self.store.bring(f"{self.name}/{entry['checkpoint']}", part) or digest_file(part) != entry["checkpoint"]:
            part.unlink(missing_ok=True)
            return False
        write_whole(scratch / "attempt.json", json.dumps(entry["attempt"]).encode())
        write_whole(scratch / "leg", json.dumps([entry["leg"], None]).encode())
        part.replace(scratch / "checkpoint")
        return True

    @contextmanager
    def kept(self, scratch: Path, leg: int) -> Iterator[None]:
        """While a leg works in the scratch folder, each checkpoint that it writes is copied."""
        self._copied, ended = stamp(scratch), threading.Event()

        def look() -> None:
            wait = EVERY
            while not ended.wait(wait):
                begun = time.monotonic()
                try:
                    self.copy(scratch, leg)
                except (LockstepError, OSError) as error:  # the run itself goes on
                    print(f"  the checkpoint is not kept: {error}", file=sys.stderr, flush=True)
                wait = max(EVERY, (SHARE - 1) * (time.monotonic() - begun))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def copy(self, scratch: Path, leg: int) -> None:
        """Copy the checkpoint, if it is a new one. It is taken before the record of what was read on the way to it: so
        that has a read too many, never one too few."""
        found = stamp(scratch)
        if found in (None, self._copied):
            return
        taken = scratch / "checkpoint.taken"
        taken.unlink(missing_ok=True)
        try:
            with suppress(FileNotFoundError):  # the run has ended, and what it left was tidied away
                _take(scratch / "checkpoint", taken)
                attempt = json.loads((scratch / "attempt.json").read_bytes())
                digest, earlier = digest_file(taken), self._entry()
                self.store.send(taken, f"{self.name}/{digest}")
                entry = {"leg": leg, "checkpoint": digest, "attempt": attempt}
                self.store.write(f"{self.name}/last", json.dumps(entry).encode())
                if earlier and earlier["checkpoint"] != digest:
                    self.store.remove(f"{self.name}/{earlier['checkpoint']}")
                self._copied = found
        finally:
            taken.unlink(missing_ok=True)

    def clear(self) -> None:
        """The run is recorded. What cannot be removed stays, and is never gone on with."""
        with suppress(LockstepError):
            self.store.remove(self.name)

    def _entry(self) -> dict[str, Any] | None:
        try:
            entry = json.loads(self.store.read(f"{self.name}/last") or b"")
            whole = isinstance(entry["leg"], int) and entry["checkpoint"] and entry["attempt"]["seconds"] >= 0
            return entry if whole else None
        except (ValueError, KeyError, TypeError):
            return None


def _take(path: Path, taken: Path) -> None:
    """The file as it is now, whatever takes its place."""
    try:
        taken.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:  # the file system has no links
        shutil.copyfile(path, taken)


def lay(scratch: Path, files: dict[str, Path | bytes]) -> None:
    """Put files into a scratch folder, by their paths in it."""
    for name, content in files.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            write_whole(path, content, lasting=False)
        else:
            shutil.copyfile(content, path)


def _seconds(scratch: Path) -> float:
    """How far the work in a scratch folder is; less than nothing where there is none."""
    try:
        if not (scratch / "checkpoint").exists():
            return -1.0
        return float(json.loads((scratch / "attempt.json").read_bytes())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1.0
