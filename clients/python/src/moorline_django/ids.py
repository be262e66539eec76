"""Ids as Moorline takes them. A wrong one is found here, in the caller's traceback, and not minutes later in an outbox."""

from __future__ import annotations

import re
import uuid
from typing import Any

from .conf import Settings

ROOM = re.compile(r"[A-Za-z0-9_.-]{1,64}")
KEY = re.compile(r"[!-~]{1,64}")
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
PERSON_BYTES = 128


def room_id(room: object) -> str:
    """A room's id: 1 to 64 of `A-Z a-z 0-9 _ . -`."""
    if not isinstance(room, str) or not ROOM.fullmatch(room):
        raise ValueError(f"a room id is 1 to 64 of A-Z a-z 0-9 _ . -, not {room!r}")
    return room


def person_id(user: object, settings: Settings) -> str:
    """The id of a user of yours, or of a text that is one already."""
    if isinstance(user, str):
        found = user
    elif settings.user_id is not None:
        found = settings.user_id(user)
    elif getattr(user, "pk", None) is None:
        raise ValueError(f"{user!r} has no primary key: sign in or save first, or give the id as text")
    else:
        found = str(user.pk)  # type: ignore[attr-defined]
    if not isinstance(found, str) or not 1 <= len(found.encode()) <= PERSON_BYTES or UNSEEN.search(found):
        raise ValueError(f"a person's id is 1 to {PERSON_BYTES} bytes of printable text, not {found!r}")
    return found


def person_name(user: Any, settings: Settings) -> str | None:
    """The name that others read, if the user has one."""
    if isinstance(user, str):
        return None
    if settings.user_name is not None:
        return settings.user_name(user)
    full = user.get_full_name() if hasattr(user, "get_full_name") else ""
    login = user.get_username() if hasattr(user, "get_username") else ""
    return full.strip() or login or None


def new_key() -> str:
    """An id of a send that nobody else has."""
    return uuid.uuid4().hex


def checked_key(key: str) -> str:
    """An idempotency key of the caller's own: 1 to 64 printable ASCII characters without spaces."""
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ValueError(f"a key is 1 to 64 printable ASCII characters, not {key!r}")
    return key
