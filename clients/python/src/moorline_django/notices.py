"""Notices: what a backend tells the people of a room, or one person, and nobody stores.

They go over the channel layer to the channel `moorline`, from which any node takes them; at most once, as the layer is.
What must not be lost is a message: `post_message`.
"""

from __future__ import annotations

import json
import time
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from .conf import Settings, settings
from .errors import Unavailable
from .ids import KEY, new_key, person_id, room_id

CHANNEL = "moorline"
DATA_BYTES = 64 * 1024
DEEPEST = 16
"""Levels of lists and dicts that the server takes in `data`."""


def notify(name: str, data: object = None, *, room: str | None = None, user: Any = None) -> None:
    """Sends the notice `name` with `data`, JSON, to those who have a room open on a connection, or to one person.

    Give exactly one of `room` and `user`. It returns when Redis has the notice, which is at most once on its way;
    `Unavailable` says that Redis or the channel has no room for it. Safe in `transaction.on_commit`, best with
    `robust=True`. Async code calls `await sync_to_async(notify)(…)`.
    """
    configured = settings()
    message = _message(configured, name, data, room, user)
    layer = _layer(configured)
    try:
        async_to_sync(layer.send)(CHANNEL, message)
    except Exception as error:
        # The layer's back end is the project's choice, so its errors have no common class.
        why = str(error) or type(error).__name__
        raise Unavailable(f"the notice {name!r} did not reach the channel layer: {why}") from error


def _message(configured: Settings, name: str, data: object, room: str | None, user: Any) -> dict[str, object]:
    if (room is None) == (user is None):
        raise ValueError("a notice goes to a room or to a user: give exactly one of them")
    if not isinstance(name, str) or not KEY.fullmatch(name):
        raise ValueError("a notice's name is 1 to 64 printable ASCII characters without spaces")
    _check(data, DEEPEST)
    if len(json.dumps(data, allow_nan=False, ensure_ascii=False).encode()) > DATA_BYTES:
        raise ValueError("the data of a notice is longer than 64 KiB")
    target = {"room": room_id(room)} if room is not None else {"user": person_id(user, configured)}
    # By id and time the server knows one that somebody recorded and sends again.
    when = {"id": new_key(), "at": int(time.time() * 1000)}
    return {"type": "chat.notice", **target, "name": name, "data": data, **when}


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


def _layer(configured: Settings) -> Any:
    try:
        from channels.layers import get_channel_layer
    except ImportError as error:
        raise ImproperlyConfigured("notify() needs Channels and channels_redis: pip install channels_redis") from error
    layer = get_channel_layer(configured.layer)
    if layer is None:
        raise ImproperlyConfigured(f"CHANNEL_LAYERS has no {configured.layer!r}, over which notify() speaks.")
    return layer
