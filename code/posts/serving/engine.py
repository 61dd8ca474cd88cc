"""What runs in each step: continuous batching with chunked prefill, over pages that prefixes share.

A step takes one token of every sequence that is writing, and fills what is left of its budget with chunks of prompts
(Agrawal et al., 2024, Sarathi): so a long prompt slows those who write by a bounded amount and never stops them. Who
waits comes in when there is room, first come first served; where pages run out, the youngest goes back to wait and is
computed again later (Kwon et al., 2023, vLLM).

The engine has no thread and no clock of its own: `step` is called in a loop, `submit` and `cancel` between steps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from lockstep.errors import LockstepError, nearest
from torch import Tensor

from posts.serving.lora import Adapter, Mixed
from posts.serving.model import PAGE, Group, KVCache, Model, Step, hidden
from posts.serving.pages import Digest, Pages, digest
from posts.serving.sampling import Chooser, Grammars, Sampling
from posts.serving.text import Detokeniser, Stops, byte_table
from posts.serving.weights import Base


class Refused(LockstepError):
    """A request that this engine can never serve."""


@dataclass(frozen=True)
class Limits:
    """`budget`: tokens of a step. `chunk`: of one prompt in a step. `sequences`: how many are served at once."""

    pages: int = 512
    sequences: int = 16
    budget: int = 128
    chunk: int = 64
    context: int = 2048
    share: bool = True


@dataclass(frozen=True)
class Request:
    """What to continue, how, with which adapter ("" for none), and until when on the engine's clock."""

    id: str
    prompt: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str = ""
    deadline: float = float("inf")


@dataclass(frozen=True)
class Event:
    """What a step brought for a request. `reason` is not empty in the last event, which has the counts as well."""

    id: str
    text: str = ""
    token: int | None = None
    reason: str = ""  # stop · length · cancelled · deadline · error
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class Job:
    """A request on its way."""

    def __init__(self, request: Request, adapter: Adapter | None, salt: Digest, chooser: Chooser, table: list[bytes]):
        self.request, self.adapter, self.salt, self.chooser = request, adapter, salt, chooser
        self.tokens = list(request.prompt)
        self.computed = 0  # tokens whose keys and values are in the cache
        self.cached = 0
        self.pages: list[int] = []
        self.last = salt  # the digest of the last full page
        self.detokeniser, self.stops = Detokeniser(table), Stops(request.sampling.stop)
        self.arrived = 0.0

    @property
    def pending(self) -> int:
        return len(self.tokens) - self.computed

    @property
    def written(self) -> int:
        return len(self.tokens) - len(self.request.prompt)

    @property
    def to_come(self) -> int:
        """Tokens that may still have to be computed."""
        return self.pending + self.request.sampling.max_tokens - self.written


@dataclass(frozen=True)
class Row:
    """What the scheduler did in a step: for the record, the demo and the simulator that is held against it."""

    step: int
    decoded: int
    prefilled: int
    waiting: int
    running: int
    pages_used: int
    admitted: int
    finished: int
    preempted: int
    chunks: tuple[tuple[str, int], ...]
    seconds: float


class Engine:
    """One model, its cache, and all requests. `clock` gives seconds that deadlines are counted in."""

    def __init__(self, model: Model, base: Base, limits: Limits, clock: Callable[[], float] = time.monotonic):
        if limits.context > model.shape.context:
            raise LockstepError(
                f"the model knows {model.shape.context} positions: a context of {limits.context} does not fit"
            )
        self.model, self.base, self.limits, self.clock = model, base, limits, clock
        self.cache, self.pages = KVCache(model.shape, limits.pages), Pages(limits.pages, limits.share)
        self.grammars = Grammars(base.tokenizer, model.shape.vocabulary, base.eos)
        self.table = byte_table(base.tokenizer, model.shape.vocabulary)
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self.adapters: dict[str, Adapter] = {}
        self.cancelled: set[str] = set()
        self.rows: deque[Row] = deque(maxlen=4096)
        self.steps = self.computed = self.preemptions = 0

    # between steps

    def submit(self, request: Request) -> None:
        """Take in a request. Raises Refused for one that could never be served, BadGrammar for its grammar."""
        self.fit(len(request.prompt), request.sampling.max_tokens)
        if request.adapter and request.adapter not in self.adapters:
            raise Refused(f'no adapter "{request.adapter}" is loaded{nearest(request.adapter, self.adapters)}')
        adapter = self.adapters.get(request.adapter)
        salt = digest(b"", [])[:8] + bytes.fromhex(adapter.digest)[:8] if adapter else digest(b"", [])
        chooser = Chooser(request.sampling, self.grammars)
        sequence = Job(request, adapter, salt, chooser, self.table)
        sequence.arrived = self.clock()
        self.waiting.append(sequence)

    def fit(self, prompt: int, most: int) -> None:
        """Raises Refused where so many tokens of prompt and to write could never be served."""
        if not prompt:
            raise Refused("the prompt is empty: it needs at least one token")
        room = min(self.limits.context, self.limits.pages * PAGE)
        if prompt + most > room:
            raise Refused(f"{prompt} tokens of prompt and {most} to write are more than the {room} that fit")

    def cancel(self, id: str) -> None:
        """No token of it is computed from the next step on. Unknown and finished ones are nothing to do."""
        self.cancelled.add(id)

    def load(self, adapter: Adapter) -> None:
        """From now on requests for that name get this one. Those on their way keep what they began with."""
        self.adapters[adapter.name] = adapter

    def unload(self, name: str) -> None:
        """Raises Refused where no such adapter is loaded."""
        if self.adapters.pop(name, None) is None:
            raise Refused(f'no adapter "{name}" is loaded{nearest(name, self.adapters)}')

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.running

    @property
    def queued(self) -> int:
        """Tokens that may still have to be computed, of all requests."""
        return sum(sequence.to_come for sequence in (*self.waiting, *self.running))

    # a step

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Compute once, and tell what came of it."""
        started = time.perf_counter()
        events = self._dropped()
        admitted = self._admit()
        plan, preempted = self._plan()
        if plan:
            logits_WV = self.model.forward(self._step(plan), self.cache)
            events += self._advance(plan, logits_WV)
        self.steps += 1
        chunks = tuple((sequence.request.id, take) for sequence, take in plan)
        decoded = sum(1 for sequence, take in plan if take == 1 and sequence.written > 1)
        total = sum(take for _, take in plan)
        self.computed += total
        finished = sum(1 for event in events if event.reason)
        counts = (len(self.waiting), len(self.running), self.pages.used, admitted, finished, preempted)
        self.rows.append(Row(self.steps, decoded, total - decoded, *counts, chunks, time.perf_counter() - started))
        return events

    def _dropped(self) -> list[Event]:
        """Those that nobody waits for any more."""
        now, events = self.clock(), []
        for sequence in [*self.running, *self.waiting]:
            id = sequence.request.id
            reason = "cancelled" if id in self.cancelled else "deadline" if now > sequence.request.deadline else ""
            if reason:
                events.append(self._finish(sequence, reason))
        self.cancelled.clear()
        return events

    def _admit(self) -> int:
        """Let in who waits, while there is a place and room for the whole prompt and one page more."""
        admitted = 0
        while self.waiting and len(self.running) < self.limits.sequences:
            sequence = self.waiting[0]
            pages, last = self.pages.match(sequence.salt, sequence.tokens)
            needed = len(sequence.tokens) // PAGE + 1 - len(pages)
            if needed > self.pages.available:
                self.pages.release(pages)
                break
            self.waiting.popleft()
            sequence.pages, sequence.last = pages, last
            sequence.computed = sequence.cached = len(pages) * PAGE
            sequence.cached = min(sequence.cached, len(sequence.request.prompt))
            self.running.append(sequence)
            admitted += 1
        return admitted

    def _plan(self) -> tuple[list[tuple[Job, int]], int]:
        """Who computes how many tokens: all that write first, then prompts in order, as far as budget and pages go."""
        left, plan, preempted = self.limits.budget, [], 0
        for sequence in sorted(self.running, key=lambda one: one.pending > 1):
            take = min(sequence.pending, left, self.limits.chunk)
            if take == 0 or sequence not in self.running:
                continue
            while not self._room(sequence, take):
                victim = self.running[-1]
                self._preempt(victim)
                preempted += 1
                kept = [(one, n) for one, n in plan if one is not victim]
                left += sum(n for one, n in plan if one is victim)
                plan = kept
                if victim is sequence:
                    break
            if sequence in self.running:
                plan.append((sequence, take))
                left -= take
        return plan, preempted

    def _room(self, sequence: Job, take: int) -> bool:
        """Give the sequence the pages that its next tokens need, if there are any."""
        needed = -(-(sequence.computed + take) // PAGE) - len(sequence.pages)
        if needed > self.pages.available:
            return False
        sequence.pages += [self.pages.take() for _ in range(needed)]
        return True

    def _preempt(self, sequence: Job) -> None:
        """Back to the head of the queue; what it has written stays, and is computed again."""
        self.running.remove(sequence)
        self.pages.release(sequence.pages)
        sequence.pages, sequence.computed, sequence.last = [], 0, sequence.salt
        self.waiting.appendleft(sequence)
        self.preemptions += 1

    def _step(self, plan: Sequence[tuple[Job, int]]) -> Step:
        """The tokens of a plan as tensors: those that take one token are a group, each chunk of a prompt is one."""
        plan_ones = [each for each in plan if each[1] == 1]
        ordered = [*plan_ones, *(each for each in plan if each[1] > 1)]
        tokens: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        wanted: list[int] = []
        groups: list[Group] = []
        for sequence, take in ordered:
            begin = sequence.computed
            tokens += sequence.tokens[begin : begin + take]
            positions += range(begin, begin + take)
            slots += [sequence.pages[p // PAGE] * PAGE + p % PAGE for p in range(begin, begin + take)]
            if take == sequence.pending:
                wanted.append(len(tokens) - 1)
            if take > 1:
                groups.append(self._group(len(tokens) - take, [sequence], take))
        if plan_ones:
            groups.insert(0, self._group(0, [sequence for sequence, _ in plan_ones], 1))
        adapted = self._adapted(ordered)
        tokens_N, positions_N, slots_N, wanted_W = (torch.tensor(each) for each in (tokens, positions, slots, wanted))
        return Step(tokens_N, positions_N, slots_N, groups, wanted_W.long(), adapted)

    def _group(self, first: int, sequences: Sequence[Job], new: int) -> Group:
        most = max(-(-(each.computed + new) // PAGE) for each in sequences)
        tables = [[*each.pages[:most], *[0] * (most - len(each.pages))] for each in sequences]
        positions_BT = torch.tensor([[each.computed + t for t in range(new)] for each in sequences])
        mask = hidden(self.model.shape, positions_BT, most)
        return Group(first, len(sequences), new, torch.tensor(tables, dtype=torch.int64), mask)

    def _adapted(self, ordered: Sequence[tuple[Job, int]]) -> Mixed | None:
        rows: dict[str, tuple[Adapter, list[int]]] = {}
        at = 0
        for sequence, take in ordered:
            if sequence.adapter is not None:
                _, own = rows.setdefault(sequence.adapter.digest, (sequence.adapter, []))
                own += range(at, at + take)
            at += take
        return Mixed([(adapter, torch.tensor(own)) for adapter, own in rows.values()]) if rows else None

    def _advance(self, plan: Sequence[tuple[Job, int]], logits_WV: Tensor) -> list[Event]:
        """Count what was computed, seal full pages, choose tokens."""
        events: list[Event] = []
        ones = [each for each in plan if each[1] == 1]
        rows = iter(logits_WV)
        for sequence, take in [*ones, *(each for each in plan if each[1] > 1)]:
            ends = take == sequence.pending
            self._count(sequence, take)
            if ends:
                try:
                    events += self._choose(sequence, next(rows))
                except Exception as error:  # of one request: the others go on
                    events.append(self._finish(sequence, "error", str(error)))
        return events

    def _count(self, sequence: Job, take: int) -> None:
        before, sequence.computed = sequence.computed, sequence.computed + take
        for number in range(before // PAGE, sequence.computed // PAGE):
            sequence.last = digest(sequence.last, sequence.tokens[number * PAGE : (number + 1) * PAGE])
            self.pages.seal(sequence.pages[number], sequence.last)

    def _choose(self, sequence: Job, logits_V: Tensor) -> list[Event]:
        sampling = sequence.request.sampling
        if not logits_V.max().isfinite():
            raise LockstepError("the scores are no finite numbers")
        token = sequence.chooser.choose(logits_V)
        sequence.tokens.append(token)
        if token in self.base.eos and not sampling.ignore_eos:
            return [self._finish(sequence, "stop", token=token)]
        text = sequence.stops.add(sequence.detokeniser.add(token))
        if sequence.stops.done or sequence.chooser.finished:
            return [self._finish(sequence, "stop", text, token)]
        if sequence.written >= sampling.max_tokens:
            return [self._finish(sequence, "length", text, token)]
        return [Event(sequence.request.id, text, token)]

    def _finish(self, sequence: Job, reason: str, text: str = "", token: int | None = None) -> Event:
        if reason in ("stop", "length"):
            rest = "" if sequence.stops.done else sequence.stops.add(sequence.detokeniser.end()) + sequence.stops.end()
            text += rest
        (self.running if sequence in self.running else self.waiting).remove(sequence)
        self.pages.release(sequence.pages)
        sequence.pages = []
        counts = (len(sequence.request.prompt), sequence.written, sequence.cached)
        return Event(sequence.request.id, text, token, reason, *counts)

    def problems(self) -> list[str]:
        """What is wrong with the pages; nothing, if all is well."""
        return self.pages.problems([sequence.pages for sequence in (*self.running, *self.waiting)])


@dataclass(frozen=True)
class Answer:
    """A request that has ended: its text, its tokens, and the last event."""

    text: str
    tokens: tuple[int, ...]
    end: Event


def complete(engine: Engine, requests: Sequence[Request]) -> Mapping[str, Answer]:
    """Serve these requests to their end, together."""
    for request in requests:
        engine.submit(request)
    texts: dict[str, str] = {request.id: "" for request in requests}
    tokens: dict[str, list[int]] = {request.id: [] for request in requests}
    ends: dict[str, Event] = {}
    while not engine.idle:
        for event in engine.step():
            texts[event.id] += event.text
            if event.token is not None:
                tokens[event.id].append(event.token)
            if event.reason:
                ends[event.id] = event
    return {id: Answer(texts[id], tuple(tokens[id]), end) for id, end in ends.items()}
