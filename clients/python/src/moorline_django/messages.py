"""Messages from your code into a room: at once over the HTTP API, or durably through the outbox.

The key is the message's own id. It is chosen before the first attempt and stays, so that however often a message is
sent, it is stored once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from .conf import settings
from .errors import MoorlineError
from .http import Connection, Request
from .ids import checked_key, new_key, person_id, room_id

if TYPE_CHECKING:
    from .models import OutboxMessage

BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class Posted:
    """Where a message stands: stored, synced, for ever."""

    room: str
    epoch: str
    seq: int
    message: str
    """The message's id; `reply_to` takes it."""
    at: int
    """Milliseconds since 1970."""
    key: str


@overload
def post_message(
    room: str,
    sender: Any,
    body: str,
    *,
    reply_to: str | None = ...,
    key: str | None = ...,
    durable: Literal[False] = ...,
    using: str | None = ...,
) -> Posted: ...


@overload
def post_message(
    room: str,
    sender: Any,
    body: str,
    *,
    reply_to: str | None = ...,
    key: str | None = ...,
    durable: Literal[True],
    using: str | None = ...,
) -> OutboxMessage: ...


def post_message(
    room: str,
    sender: Any,
    body: str,
    *,
    reply_to: str | None = None,
    key: str | None = None,
    durable: bool = False,
    using: str | None = None,
) -> Posted | OutboxMessage:
    """Posts `body` to `room` in the name of `sender`, a member: a user of yours, or an id.

    Without `durable` it asks the server now, for at most `MOORLINE["RETRY"]` seconds, and returns where the message
    stands. It needs no database, so it is safe in `transaction.on_commit`; give `robust=True` there, since an error
    would else reach the page whose work is done. `Refused` is final; after `Unavailable` or any other `MoorlineError`
    the message may be stored or not, and the same call with `key=error.key` is stored once.

    With `durable=True` it only writes a row, in the caller's transaction on the database `using`: both happen or
    neither, and `manage.py moorline_outbox` sends it until it is acknowledged, in order per room.
    """
    configured = settings()
    where, who, own = room_id(room), person_id(sender, configured), checked_key(key) if key else new_key()
    if not isinstance(body, str) or not 1 <= len(body.encode()) <= BODY_BYTES:
        raise ValueError("a message is text of 1 byte to 64 KiB")
    if durable:
        from .models import OutboxMessage

        row = OutboxMessage(room=where, sender=who, body=body, reply_to=reply_to or "", key=own)
        row.save(using=using, force_insert=True)
        return row
    with Connection(configured) as connection:
        return post(connection, room=where, sender=who, body=body, reply_to=reply_to, key=own)


def post(
    connection: Connection,
    *,
    room: str,
    sender: str,
    body: str,
    reply_to: str | None,
    key: str,
    once: bool = False,
) -> Posted:
    """One message over a connection that is there; `once` makes a single attempt."""
    said: dict[str, str] = {"from": sender, "body": body}
    if reply_to:
        said["reply_to"] = reply_to
    ask = connection.ask if once else connection.call
    answer = ask(Request("POST", ("rooms", room, "messages"), said, key))
    try:
        return Posted(
            room=str(answer["room"]),
            epoch=str(answer["epoch"]),
            seq=int(answer["seq"]),
            message=str(answer["message"]),
            at=int(answer["at"]),
            key=key,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MoorlineError(f"the server acknowledged in a form that is not known here: {answer!r}") from error
