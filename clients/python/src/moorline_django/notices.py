"""Notices: what a backend tells the people of a room, or one person, and nobody stores.

They go over the HTTP API, each under an id of its own, so that one that is sent again is shown once. They reach those who
are connected now, at most once. What must not be lost is a message: `post_message`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from .conf import settings
from .http import Connection, Request
from .ids import KEY, checked_key, new_key, person_id, room_id

DATA_BYTES = 64 * 1024
DEEPEST = 16
"""Levels of lists and dicts that the server takes in `data`."""


@dataclass(frozen=True)
class Shown:
    """How far a notice went."""

    repeated: bool
    """Whether one with this key came before: then nobody was shown it now."""
    everywhere: bool
    """Whether all nodes were told; false while their Redis is away, and the people of other nodes do not hear of it."""
    key: str


def notify(
    name: str, data: object = None, *, room: str | None = None, user: Any = None, key: str | None = None
) -> Shown:
    """Shows the notice `name` with `data`, JSON, to those who have a room open on a connection, or to one person.

    Give exactly one of `room` and `user`. It asks the server for at most `MOORLINE["RETRY"]` seconds and needs no
    database, so it is safe in `transaction.on_commit`, best with `robust=True`. `Refused` is final; after `Unavailable` it
    may have been shown or not, and the same call with `key=error.key` within five minutes is shown once. Async code calls
    `await sync_to_async(notify)(…)`.
    """
    configured = settings()
    if (room is None) == (user is None):
        raise ValueError("a notice goes to a room or to a user: give exactly one of them")
    if not isinstance(name, str) or not KEY.fullmatch(name):
        raise ValueError("a notice's name is 1 to 64 printable ASCII characters without spaces")
    _check(data, DEEPEST)
    if len(json.dumps(data, allow_nan=False, ensure_ascii=False).encode()) > DATA_BYTES:
        raise ValueError("the data of a notice is longer than 64 KiB")
    target = {"room": room_id(room)} if room is not None else {"user": person_id(user, configured)}
    own = new_key() if key is None else checked_key(key)
    # By id and time the server knows one that is sent again, and one that comes too late to be known.
    said = {**target, "name": name, "data": data, "id": own, "at": int(time.time() * 1000)}
    with Connection(configured) as connection:
        answer = connection.call(Request("POST", ("notices",), said, own))
    return Shown(repeated=answer.get("repeated") is True, everywhere=answer.get("everywhere") is True, key=own)


def _check(data: object, levels: int) -> None:
    """Keys that are no text would be changed on the way, and the server refuses what is too deep."""
    if not isinstance(data, (dict, list, tuple)):
        return
    if levels == 0:
        raise ValueError(f"the data of a notice is nested deeper than {DEEPEST} levels")
    if isinstance(data, dict) and not all(isinstance(key, str) for key in data):
        raise ValueError("the keys of a notice's data must be text")
    for value in data.values() if isinstance(data, dict) else data:
        _check(value, levels - 1)
