"""One event through the service, without HTTP: what it changes, what it answers, what is written to the journal.

The state is a function of the journal: whatever changes it is an event, and replaying the events makes it again, byte
for byte. Rules for what does not come in order:

    duplicate   the same transaction again gets the same answer, and counts once; the same number with other content is
                a conflict
    late        older than the newest one seen: counted at the time of the newest, and marked
    far ahead   a day or more ahead of the newest: refused, since one wrong clock would empty all windows
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from lockstep.errors import LockstepError

from posts.fraud.features import DAY, NAMES, finish
from posts.fraud.service.decide import Costs, expected_cost, reasons, threshold
from posts.fraud.service.drift import Drift
from posts.fraud.service.journal import Journal
from posts.fraud.service.registry import Registry
from posts.fraud.service.rollout import ALL, NEVER, ORDER, SHADOW, Rollout
from posts.fraud.service.scorer import RULES, Scorer, by_rules
from posts.fraud.trees import Trees, from_model
from posts.fraud.windows import Windows

AHEAD = DAY
ANSWERS = 200_000  # transactions whose answer is kept for duplicates
SNAPSHOT = "snapshot.bin"
PLACE = {name: place for place, name in enumerate(NAMES)}


class Transaction(msgspec.Struct, frozen=True):
    """`time` in seconds since the first midnight in the bank's time zone, `cents` not below 0."""

    id: int
    time: int
    card: int
    terminal: int
    cents: int


class Answer(msgspec.Struct, frozen=True):
    """`blocked` is the decision, `score` the probability of fraud that it rests on, `model` whose it is."""

    id: int
    blocked: bool
    score: float
    model: str
    late: bool = False
    reasons: list[str] = []
    degraded: bool = False


class Refused(LockstepError):
    """An event that the service does not take."""


class Engine:
    """The state of a service and what happens to it."""

    def __init__(self, directory: Path, delay: int, costs: Costs | None = None):
        self.registry, self.costs = Registry(directory), costs or Costs()
        self.windows, self.rollout = Windows(delay), Rollout()
        self.answers: dict[int, tuple[Transaction, Answer]] = {}
        self.models: dict[str, Scorer] = {}
        self.trees: dict[str, Trees] = {}
        self.pairs: dict[int, tuple[int, bool, bool]] = {}  # while a challenger is compared: cents, new, old
        self.drift = Drift({}, 1)
        self.since_label = self.rollbacks = self.sequence = 0

    def decide(self, event: Transaction) -> tuple[Answer, list[bytes]]:
        """The answer to a transaction, and the records to make durable before it is given. Raises Refused."""
        if (before := self.answers.get(event.id)) is not None:
            if before[0] != event:
                raise Refused(f"transaction {event.id} was seen before with other content")
            return before[1], []
        late = event.time < self.windows.clock
        if self.windows.clock and event.time >= self.windows.clock + AHEAD:
            raise Refused(f"transaction {event.id} is a day or more ahead of the newest one: is its clock right?")
        counts = self.windows.observe(event.id, event.time, event.card, event.terminal, event.cents)
        features = finish(np.array(counts, dtype=np.int64))
        score, model, other = self._score(event, features)
        blocked = score > threshold(event.cents, self.costs)
        because = reasons(self.trees[model], features.tolist()) if blocked and model != RULES else []
        answer = Answer(event.id, blocked, score, model, late, because)
        self._remember(event, answer)
        self.since_label += 1
        if self.drift.reference:
            self.drift.observe({name: float(features[PLACE[name]]) for name in self.drift.reference})
        records = [msgspec.msgpack.encode(("t", event, answer))]
        if other is not None:
            records += self._compare(event, blocked, other, model)
        return answer, records

    def label(self, number: int, is_fraud: bool) -> list[bytes]:
        """What the feed says of a transaction; no records where nothing waits for it."""
        if not self.windows.label(number, is_fraud):
            return []
        self.since_label = 0
        if (pair := self.pairs.pop(number, None)) is not None:
            self._count(pair, is_fraud)
        return [msgspec.msgpack.encode(("l", number, is_fraud))]

    def move(self, action: str, digest: str = "") -> list[bytes]:
        """Give a model a stage, or take it back. Raises Refused for an order that skips a gate."""
        if action not in (*ORDER, "back"):
            raise Refused(f'no step is called "{action}": expected {", ".join(ORDER)} or back')
        first = action == ALL and not self.rollout.champion
        digest = self.registry.find(digest) if action != "back" else ""
        if action not in (SHADOW, "back") and not first:
            expected = ORDER[ORDER.index(action) - 1]
            if (self.rollout.stage, self.rollout.challenger) != (expected, digest):
                raise Refused(f"a model goes to {action} from {expected}; {digest[:12]} is not there")
            if not self.rollout.comparison.may_go_on():
                raise Refused(f"the gate to {action} is closed: {asdict(self.rollout.comparison)}")
        self.apply_move(action, digest)
        return [msgspec.msgpack.encode(("m", action, digest))]

    def apply_move(self, action: str, digest: str) -> None:
        self.rollout.move(action, digest)
        self.pairs.clear()
        self.rollbacks += action == "back"
        for name in (self.rollout.champion, self.rollout.challenger):
            if name and name not in self.models:
                self.models[name], _ = self.registry.load(name)
                self.trees[name] = from_model(self.models[name].booster.dump_model())
        if self.rollout.champion:
            _, card = self.registry.load(self.rollout.champion)
            self.drift = Drift(card.bins, card.rows)

    def replay(self, journal: Journal) -> int:
        """Bring the state up to the journal; returns the number of events."""
        done = 0
        for sequence, payload in journal.read(self.sequence):
            self._apply(msgspec.msgpack.decode(payload))
            self.sequence = sequence
            done += 1
        return done

    def digest(self) -> str:
        """Of the whole state that the journal determines."""
        return hashlib.sha256(self.state()).hexdigest()

    def state(self) -> bytes:
        models = (self.rollout.champion, self.rollout.former, self.rollout.challenger, self.rollout.stage)
        return msgspec.msgpack.encode((self.windows, self.answers, models))

    def restore(self, state: bytes, sequence: int) -> None:
        """Take over what `state` gave."""
        kind = tuple[Windows, dict[int, tuple[Transaction, Answer]], tuple[str, str, str, str]]
        self.windows, self.answers, models = msgspec.msgpack.decode(state, type=kind)
        champion, former, challenger, stage = models
        self.sequence = sequence
        if champion:
            self.apply_move(ALL, champion)
        self.rollout.former = former
        if challenger:
            self.apply_move(stage, challenger)

    def _apply(self, record: list[Any]) -> None:
        if record[0] == "t":
            event, answer = msgspec.convert(record[1], Transaction), msgspec.convert(record[2], Answer)
            self.windows.observe(event.id, event.time, event.card, event.terminal, event.cents)
            self._remember(event, answer)
        elif record[0] == "l":
            self.windows.label(record[1], record[2])
        else:
            self.apply_move(record[1], record[2])

    def _remember(self, event: Transaction, answer: Answer) -> None:
        self.answers[event.id] = (event, answer)
        if len(self.answers) > ANSWERS:
            del self.answers[next(iter(self.answers))]

    def _score(self, event: Transaction, features: Any) -> tuple[float, str, float | None]:
        """Score, model that decides, and what the other model of a comparison says (None where there is none).

        A challenger that gives no valid score has infinity here, and decides nothing.
        """
        champion, stage = self.rollout.champion, self.rollout.stage
        if not champion:
            return by_rules(event.cents), RULES, None
        score = self.models[champion].score(features)
        if stage == NEVER:
            return score, champion, None
        try:
            new = self.models[self.rollout.challenger].score(features)
        except ValueError:
            return score, champion, float("inf")
        if not 0 <= new <= 1:
            return score, champion, float("inf")
        if self.rollout.decides(event.card) == champion:
            return score, champion, new
        return new, self.rollout.challenger, score

    def _compare(self, event: Transaction, blocked: bool, other: float, model: str) -> list[bytes]:
        if other == float("inf"):
            return self.move("back")
        limit, by_new = threshold(event.cents, self.costs), model == self.rollout.challenger
        new, old = (blocked, other > limit) if by_new else (other > limit, blocked)
        self.rollout.comparison.decided(new, old)
        self.pairs[event.id] = (event.cents, new, old)
        return self.move("back") if self.rollout.comparison.must_go_back() else []

    def _count(self, pair: tuple[int, bool, bool], is_fraud: bool) -> None:
        cents, new, old = pair
        comparison, truth = self.rollout.comparison, float(is_fraud)
        comparison.frauds += is_fraud
        comparison.caught_only_new += is_fraud and new and not old
        comparison.caught_only_old += is_fraud and old and not new
        comparison.cost_new += expected_cost(truth, cents, new, self.costs)
        comparison.cost_old += expected_cost(truth, cents, old, self.costs)
