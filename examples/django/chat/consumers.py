"""One socket a person, for all rooms: Channels as many projects have it.

Through `django` a message goes into the ORM and to the room's group. Through `moorline` it goes to Moorline, whose event
comes back to the same group (`--django-events`), so that people here and people there read the same.
"""

import uuid
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from moorline_django import MoorlineError, Refused, post_message

from .log import shown
from .models import Message, Room


class UnifiedConsumer(AsyncJsonWebsocketConsumer):
    """Joins the groups of all rooms of its person."""

    async def connect(self) -> None:
        """Signed in by Django's session, or refused."""
        self.user = self.scope["user"]
        self.rooms: dict[str, Room] = {}
        if not self.user.is_authenticated:
            await self.close(code=4401)
            return
        self.rooms = await rooms_of(self.user)
        for room in self.rooms.values():
            await self.channel_layer.group_add(room.group, self.channel_name)
        await self.accept()
        await self.send_json({"type": "welcome", "user": str(self.user.pk), "rooms": sorted(self.rooms)})

    async def disconnect(self, code: int) -> None:
        """Leaves the groups."""
        for room in self.rooms.values():
            await self.channel_layer.group_discard(room.group, self.channel_name)

    async def receive_json(self, content: Any, **_rest: Any) -> None:
        """A message that somebody writes: {"type": "send", "room", "body", "key"}."""
        is_right = isinstance(content, dict) and content.get("type") == "send"
        room = self.rooms.get(str(content.get("room"))) if is_right else None
        body = content.get("body") if is_right else None
        if room is None or not isinstance(body, str) or not body.strip():
            await self.send_json({"type": "error", "message": "There is no such room, or nothing to say."})
            return
        key = str(content.get("key") or uuid.uuid4().hex)
        through = self.through_moorline if settings.CHAT_THROUGH == "moorline" else self.through_django
        await through(room, body, key)

    async def through_django(self, room: Room, body: str, key: str) -> None:
        """As it was: stored here, and sent to the group."""
        message = await stored(room, self.user, body)
        await self.channel_layer.group_send(room.group, {"type": "chat.message", "message": shown(message)})
        await self.send_json({"type": "ack", "key": key, "id": message.message})

    async def through_moorline(self, room: Room, body: str, key: str) -> None:
        """Stored by Moorline, once for each key; its event reaches everybody, this socket included."""
        try:
            posted = await database_sync_to_async(post_message)(room.slug, self.user, body, key=key)
        except (MoorlineError, ValueError) as error:
            again = not isinstance(error, (Refused, ValueError))
            await self.send_json({"type": "error", "key": key, "message": str(error), "again": again})
            return
        await self.send_json({"type": "ack", "key": key, "id": posted.message, "seq": posted.seq})

    async def chat_message(self, event: dict[str, Any]) -> None:
        """What another consumer sent to the group."""
        await self.send_json(event["message"])

    async def chat_event(self, event: dict[str, Any]) -> None:
        """What Moorline stored. Every event goes out with its seq, so that the page sees a hole and fills it."""
        told = event["event"]
        await self.send_json(
            {
                "type": "message" if told["kind"] == "message" else "other",
                "room": told["room"],
                "id": told["id"],
                "seq": told["seq"],
                "from": told.get("from"),
                "name": await name_of(told.get("from")),
                "body": told.get("body", ""),
            }
        )


@database_sync_to_async
def rooms_of(user: User) -> dict[str, Room]:
    """By slug."""
    return {room.slug: room for room in user.rooms.all()}


@database_sync_to_async
def stored(room: Room, user: User, body: str) -> Message:
    """A row of its own."""
    return Message.objects.create(room=room, author=user, body=body, at=timezone.now(), message=uuid.uuid4().hex)


@database_sync_to_async
def name_of(person: str | None) -> str:
    """How the page calls a person."""
    found = User.objects.filter(pk=person).first() if person and person.isdigit() else None
    return found.get_username() if found else (person or "")
