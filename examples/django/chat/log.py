"""The copy of Moorline's log in the ORM, and what the sockets and pages are told of a message.

Events over the channel layer come at most once, so none of them is needed: whoever wants to be complete reads what
follows the last position, as here.
"""

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from moorline_django import read_events

from .models import Message, Room


def catch_up(room: Room) -> None:
    """Reads what the copy lacks, all of it; again from the start where the log has another life than the copy."""
    while True:
        page = read_events(room.slug, after=room.seq)
        if page.epoch != room.epoch:
            room.seq, room.epoch = 0, page.epoch
            with transaction.atomic():
                room.messages.filter(seq__isnull=False).delete()
                room.save(update_fields=["seq", "epoch"])
            continue
        if page.events:
            _copy(room, page.events)
        if not page.more:
            return


def _copy(room: Room, events: list[dict[str, Any]]) -> None:
    people = {str(user.pk): user for user in User.objects.filter(pk__in=_authors(events))}
    rows = [
        Message(
            room=room,
            author=people[event["from"]],
            body=event["body"],
            at=datetime.fromtimestamp(event["at"] / 1000, timezone.utc),
            message=event["id"],
            seq=event["seq"],
        )
        for event in events
        if event["kind"] == "message" and event["from"] in people
    ]
    with transaction.atomic():
        # Two requests may copy the same part at once.
        Message.objects.bulk_create(rows, ignore_conflicts=True)
        Room.objects.filter(pk=room.pk, seq__lt=events[-1]["seq"]).update(seq=events[-1]["seq"])
    room.seq = events[-1]["seq"]


def _authors(events: Iterable[dict[str, Any]]) -> list[int]:
    return [int(event["from"]) for event in events if event.get("from", "").isdigit()]


def shown(message: Message) -> dict[str, Any]:
    """A message as the page gets it, over the socket and over HTTP."""
    return {
        "type": "message",
        "room": message.room.slug,
        "id": message.message,
        "seq": message.seq,
        "from": str(message.author_id),
        "name": message.author.get_username(),
        "body": message.body,
    }
