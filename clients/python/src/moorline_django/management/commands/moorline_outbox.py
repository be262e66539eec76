"""`manage.py moorline_outbox`: sends what `post_message(durable=True)` wrote, for ever or once.

Run one beside your workers. It may be killed at any moment; it outlives a server or a database that is away.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, close_old_connections, connections

from moorline_django.conf import settings
from moorline_django.models import OutboxMessage
from moorline_django.outbox import Pass, Sender

log = logging.getLogger("moorline")

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
LONGEST_WISH = 30.0
"""Seconds that the server may ask to be left alone; a mistaken or hostile answer does not stop the outbox."""


class Command(BaseCommand):
    """Sends the outbox to Moorline, in order per room, each message until it is acknowledged."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """The command's options."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="send what waits and end: with 0 if all of it is stored, else with 1 and the reason",
        )
        parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks (1)")
        parser.add_argument("--workers", type=int, default=4, help="rooms sent side by side (4)")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the database of the outbox (default)")
        parser.add_argument("--retry-refused", action="store_true", help="send what was refused before once more")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Runs until SIGTERM or Ctrl+C, or once."""
        if options["interval"] <= 0 or not 1 <= options["workers"] <= 64:
            raise CommandError("--interval must be above 0, and --workers from 1 to 64.")
        if options["retry_refused"]:
            refused = OutboxMessage.objects.using(options["database"]).exclude(refused_at=None)
            refused.update(refused_at=None, error="")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        sender = Sender(settings(), options["database"], options["workers"], stop)
        try:
            if options["once"]:
                self._once(sender, stop)
            else:
                self._run(sender, stop, options["interval"], options["database"])
        finally:
            sender.close()

    def _once(self, sender: Sender, stop: threading.Event) -> None:
        sent, refused, failures = 0, 0, 0
        patience = time.monotonic() + settings().retry
        while not stop.is_set():
            done = sender.once()
            _tell_refused(done)
            sent, refused = sent + len(done.sent), refused + len(done.refused)
            if done.sent:
                failures, patience = 0, time.monotonic() + settings().retry
            if done.trouble is None and sender.waiting() == 0:
                break
            if done.trouble is not None:
                failures += 1
                if time.monotonic() >= patience:
                    raise CommandError(f"{sender.waiting()} messages wait ({sent} sent): {done.trouble}")
                stop.wait(_pause(failures, done))
        self.stdout.write(f"{sent} sent, {refused} refused")
        if refused:
            raise CommandError(f"{refused} messages were refused; the table moorline_outbox says why.")
        if stop.is_set() and sender.waiting():
            raise CommandError(f"stopped while {sender.waiting()} messages wait")

    def _run(self, sender: Sender, stop: threading.Event, interval: float, database: str) -> None:
        failures = 0
        self.stdout.write(f"sending the outbox of the database {database}; stop with Ctrl+C")
        self.stdout.flush()
        while not stop.is_set():
            close_old_connections()
            trouble, done = _look(sender, database)
            _tell_refused(done)
            if trouble is None:
                if failures:
                    log.warning("the outbox is being sent again")
                failures = 0
                # A full batch means that more waits.
                if not done.sent:
                    stop.wait(interval)
                continue
            if failures == 0:
                log.warning("the outbox waits, nothing is lost: %s", trouble)
            failures += 1
            stop.wait(_pause(failures, done))


def _look(sender: Sender, database: str) -> tuple[Exception | None, Pass]:
    """One pass; a database that is away is trouble like a server that is away."""
    try:
        done = sender.once()
    except (OperationalError, InterfaceError) as error:
        connections[database].close()
        return error, Pass()
    return done.trouble, done


def _pause(failures: int, done: Pass) -> float:
    longest = min(FIRST_WAIT * 2.0 ** min(failures, 10), LONGEST_WAIT)
    wished = getattr(done.trouble, "retry_after", None) or 0.0
    return max(min(wished, LONGEST_WISH), random.uniform(0, longest))  # noqa: S311


def _tell_refused(done: Pass) -> None:
    for row, refusal in done.refused:
        log.error("the message %s was refused for good and stays in the outbox: %s", row, refusal)
