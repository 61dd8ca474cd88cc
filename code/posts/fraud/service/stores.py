"""Other places for the journal, behind the interface of journal.py: SQLite, Redis and the protocol of Kafka.

Each takes a batch whole, numbers it, and gives it back in order. What differs is who keeps it: a file of one process, a
server beside it, or a replicated log. Clients are imported where they are used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError, nearest

from posts.fraud.service.journal import FileJournal, Journal, JournalFailed

PATIENCE = 10.0  # seconds for an answer of a server, after which a batch has failed
KINDS = ("file", "sqlite", "redis", "kafka")


def open_journal(where: str, directory: Path) -> Journal:
    """`file`, `sqlite`, `redis://host:port/stream` or `kafka://host:port/topic`. Raises LockstepError for another."""
    kind, _, rest = where.partition("://")
    host, _, name = rest.partition("/")
    if kind == "file":
        return FileJournal(directory / "journal.bin")
    if kind == "sqlite":
        return SqliteJournal(directory / "journal.sqlite")
    if kind == "redis" and host and name:
        return RedisJournal(host, name)
    if kind == "kafka" and host and name:
        return KafkaJournal(host, name)
    expected = "file, sqlite, redis://host:port/stream or kafka://host:port/topic"
    raise LockstepError(f'no journal is called "{where}"{nearest(kind, KINDS)}: expected {expected}')


class SqliteJournal:
    """A table in a local database, written ahead and synchronised at each commit."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute("CREATE TABLE IF NOT EXISTS record (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        (self.sequence,) = self._base.execute("SELECT coalesce(max(sequence), 0) FROM record").fetchone()

    def commit(self, records: Sequence[bytes]) -> None:
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT INTO record VALUES (?, ?)", enumerate(records, start=self.sequence + 1))
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise JournalFailed(f"SQLite: {error}") from None
        self.sequence += len(records)

    def read(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        found = self._base.execute("SELECT sequence, payload FROM record WHERE sequence > ? ORDER BY 1", (after,))
        yield from found

    def close(self) -> None:
        self._base.close()


class RedisJournal:
    """A stream whose entries carry our numbers as their identifiers: what was sent twice is refused, not doubled.

    Durable as far as the server is: with `appendfsync always` a batch is on its disk before it answers.
    """

    def __init__(self, host: str, stream: str):
        import redis

        self._error = redis.RedisError
        address, _, port = host.partition(":")
        self._client: Any = redis.Redis(address, int(port or 6379), socket_timeout=PATIENCE, protocol=2)
        self.stream = stream
        try:
            last = self._client.xrevrange(stream, count=1)
        except self._error as error:
            raise LockstepError(f"no answer from Redis at {host}: {error}") from None
        self.sequence = int(last[0][0].partition(b"-")[0]) if last else 0

    def commit(self, records: Sequence[bytes]) -> None:
        try:
            last = self._client.xrevrange(self.stream, count=1)
            kept = int(last[0][0].partition(b"-")[0]) if last else 0
            batch = self._client.pipeline(transaction=True)  # of an attempt without an answer, some may be there
            for number, record in enumerate(records, start=self.sequence + 1):
                if number > kept:
                    batch.xadd(self.stream, {"r": record}, id=f"{number}-0")
            batch.execute()
        except self._error as error:
            raise JournalFailed(f"Redis: {error}") from None
        self.sequence += len(records)

    def read(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        while entries := self._client.xrange(self.stream, min=f"{after + 1}-0", count=1000):
            for identifier, fields in entries:
                after = int(identifier.partition(b"-")[0])
                yield after, fields[b"r"]

    def close(self) -> None:
        self._client.close()


class KafkaJournal:
    """One partition of a topic. `acks=all` and an idempotent producer: a batch counts when all replicas have it.

    Our sequence number travels as the key of each message. A batch that failed may still arrive later; reading takes
    the first message of each number and leaves out the others.
    """

    def __init__(self, host: str, topic: str):
        from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

        self._failed, self._partition, self.topic = KafkaException, TopicPartition(topic, 0, 0), topic
        common = {"bootstrap.servers": host, "socket.timeout.ms": int(PATIENCE * 1000), "log_level": 0}
        waits = {"message.timeout.ms": int(PATIENCE * 1000), "linger.ms": 0}
        self._producer = Producer({**common, **waits, "acks": "all", "enable.idempotence": True})
        reads = {"group.id": f"{topic}-replay", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**common, **reads})
        self.sequence = 0
        try:  # asking makes the topic where brokers may; elsewhere make it first, with one partition
            error = self._producer.list_topics(topic, PATIENCE).topics[topic].error
        except KafkaException as failure:
            raise LockstepError(f"no answer from Kafka at {host}: {failure}") from None
        if error is not None:
            raise LockstepError(f"Kafka at {host} has no topic {topic}: {error}")
        self.sequence = max((number for number, _ in self.read()), default=0)

    def commit(self, records: Sequence[bytes]) -> None:
        problems: list[str] = []

        def told(error: Any, message: Any) -> None:
            if error is not None:
                problems.append(str(error))

        for number, record in enumerate(records, start=self.sequence + 1):
            self._producer.produce(self.topic, record, key=number.to_bytes(8, "big"), partition=0, on_delivery=told)
        if self._producer.flush(PATIENCE) or problems:
            raise JournalFailed(f"Kafka: {problems[0] if problems else 'no acknowledgement in time'}")
        self.sequence += len(records)

    def read(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        try:
            self._consumer.assign([self._partition])
            low, high = self._consumer.get_watermark_offsets(self._partition, timeout=PATIENCE)
        except self._failed as error:
            raise LockstepError(f"no answer from Kafka: {error}") from None
        seen = 0
        while low < high:
            message = self._consumer.poll(PATIENCE)
            if message is None or message.error():
                why = message.error() if message else "no message in time"
                raise LockstepError(f"Kafka stopped in the middle of the topic {self.topic}: {why}")
            low, number = (message.offset() or 0) + 1, int.from_bytes(message.key() or b"", "big")
            if number == seen + 1:
                seen = number
                if number > after:
                    yield number, message.value() or b""

    def close(self) -> None:
        self._consumer.close()
