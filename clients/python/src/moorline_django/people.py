"""People, rooms and members through the HTTP API. Each call may be repeated: the same again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .conf import settings
from .http import Connection, Request
from .ids import checked_key, new_key, person_id, person_name, room_id


def put_user(user: Any, name: str | None = None) -> None:
    """Makes a person known, or renames them; `name` is what others read, from the user where it is absent."""
    configured = settings()
    shown = name if name is not None else person_name(user, configured)
    with Connection(configured) as connection:
        who = person_id(user, configured)
        connection.call(Request("PUT", ("users", who), {"name": shown or who}))


def create_room(
    room: str | None = None,
    *,
    kind: str = "group",
    name: str | None = None,
    members: Iterable[Any] = (),
    key: str | None = None,
) -> str:
    """Makes a room, `direct`, `group` or `public`, or finds the same one that is there; its id.

    Another room under that id is `Refused` with the code `conflict`. Without an id, give a `key` of your own if the
    call may be repeated by yours.
    """
    configured = settings()
    body: dict[str, object] = {"kind": kind, "members": [person_id(one, configured) for one in members]}
    if room is not None:
        body["id"] = room_id(room)
    if name is not None:
        body["name"] = name
    with Connection(configured) as connection:
        own = new_key() if key is None else checked_key(key)
        answer = connection.call(Request("POST", ("rooms",), body, own))
    return str(answer["id"])


def add_member(room: str, user: Any) -> None:
    """Makes a person a member; one who is already stays one."""
    _membership("PUT", room, user)


def remove_member(room: str, user: Any) -> None:
    """Ends a membership: nothing that comes after it in the room's log reaches the person."""
    _membership("DELETE", room, user)


def _membership(method: str, room: str, user: Any) -> None:
    configured = settings()
    with Connection(configured) as connection:
        connection.call(Request(method, ("rooms", room_id(room), "members", person_id(user, configured))))
