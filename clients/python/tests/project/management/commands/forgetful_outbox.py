"""The planted fault of the proof: an outbox that sends under a new key each time, as a plain retry would."""

from typing import Any

from moorline_django import outbox
from moorline_django.http import Connection
from moorline_django.ids import new_key
from moorline_django.management.commands.moorline_outbox import Command as Outbox
from moorline_django.messages import Posted, post


def _forgetful(connection: Connection, **message: Any) -> Posted:
    return post(connection, **{**message, "key": new_key()})


class Command(Outbox):
    """The real command with the fault."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Plants it and runs."""
        setattr(outbox, "post", _forgetful)  # noqa: B010
        super().handle(*args, **options)
