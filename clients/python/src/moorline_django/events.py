"""A room's log over the HTTP API, from any position on: for a copy in your own tables that lacks nothing.

Whatever told you that something happened, read from your last position; what the channel layer dropped is then there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .conf import settings
from .http import Connection, Request
from .ids import room_id


@dataclass(frozen=True)
class EventPage:
    """A part of a log."""

    epoch: str
    """The life of the log; another one than before means: start again from 0."""
    head: int
    """The seq of the room's newest event."""
    events: list[dict[str, Any]]
    """In order, as clients get them; without a hole unless older ones were pruned."""
    more: bool
    """Whether further ones follow these."""


def read_events(room: str, *, after: int = 0, limit: int = 1000) -> EventPage:
    """What follows the seq `after` in a room, at most 1,000 events."""
    query = {"after": str(int(after)), "limit": str(int(limit))}
    with Connection(settings()) as connection:
        answer = connection.call(Request("GET", ("rooms", room_id(room), "events"), query=query))
    return EventPage(
        epoch=str(answer["epoch"]),
        head=int(answer["head"]),
        events=list(answer["events"]),
        more=bool(answer["more"]),
    )
