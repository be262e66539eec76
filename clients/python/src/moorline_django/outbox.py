"""Sends what waits in the outbox, until it is acknowledged.

`manage.py moorline_outbox` calls this. A message of a room goes out only after the one before it was acknowledged or
refused for good, so the order holds however many senders run and whenever one dies: what is sent again carries the same
key and is stored once. Database work stays in the calling thread; the threads of the pool only speak HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from .conf import Settings
from .errors import MoorlineError, Refused, Unavailable
from .http import Connection
from .messages import post
from .models import OutboxMessage

BATCH = 200
"""Rows of one pass: what is sent again at most when the sender dies between an acknowledgement and its deletion."""

FINAL = frozenset({"invalid", "too_large", "not_found", "forbidden", "cid_conflict", "deleted", "erased", "conflict"})
"""Refusals of this one message. Any other, such as a wrong API key, is a fault of the set-up: the row waits."""


@dataclass
class Pass:
    """What one pass did."""

    sent: list[int] = field(default_factory=list)
    refused: list[tuple[OutboxMessage, Refused]] = field(default_factory=list)
    trouble: MoorlineError | None = None
    """Why rows still wait, if they do."""


class Sender:
    """Sends the rows of one database with a few threads, each with a connection of its own."""

    def __init__(self, settings: Settings, database: str, workers: int, stop: threading.Event) -> None:
        self._settings = settings
        self._database = database
        self._stop = stop
        self._silent = threading.Event()
        self._own = threading.local()
        self._connections: list[Connection] = []
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="moorline-outbox")

    def close(self) -> None:
        """Waits for the requests that are on their way, and lets the connections go."""
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    def waiting(self) -> int:
        """How many rows wait to be sent."""
        return self._waiting().count()

    def once(self) -> Pass:
        """Sends a batch: the oldest rows, rooms side by side, each room in its order."""
        rooms: dict[str, list[OutboxMessage]] = {}
        for row in self._waiting().order_by("pk")[:BATCH]:
            rooms.setdefault(row.room, []).append(row)
        done = Pass()
        self._silent.clear()
        try:
            for one in self._pool.map(self._room, rooms.values()):
                done.sent += one.sent
                done.refused += one.refused
                done.trouble = done.trouble or one.trouble
        finally:
            self._record(done)
        return done

    def _waiting(self) -> QuerySet[OutboxMessage]:
        rows: QuerySet[OutboxMessage] = OutboxMessage.objects.using(self._database).filter(refused_at=None)
        return rows

    def _room(self, rows: Iterable[OutboxMessage]) -> Pass:
        """One room's rows in their order; the first that cannot be sent holds back those behind it."""
        done = Pass()
        for row in rows:
            if self._stop.is_set() or self._silent.is_set():
                break
            try:
                self._send(row)
                done.sent.append(row.pk)
            except Refused as refusal:
                if refusal.code not in FINAL:
                    done.trouble = refusal
                    break
                done.refused.append((row, refusal))
            except MoorlineError as trouble:
                if isinstance(trouble, Unavailable) and not trouble.answered:
                    # Each further room would wait for nothing as long; a bad answer is that of one message.
                    self._silent.set()
                done.trouble = trouble
                break
        return done

    def _send(self, row: OutboxMessage) -> None:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = Connection(self._settings)
            self._connections.append(connection)
        post(
            connection,
            room=row.room,
            sender=row.sender,
            body=row.body,
            reply_to=row.reply_to,
            key=row.key,
            once=True,
        )

    def _record(self, done: Pass) -> None:
        rows = OutboxMessage.objects.using(self._database)
        rows.filter(pk__in=done.sent).delete()
        for row, refusal in done.refused:
            rows.filter(pk=row.pk).update(refused_at=timezone.now(), error=str(refusal))
