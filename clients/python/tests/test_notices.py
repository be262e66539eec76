"""Notices over the HTTP API, as people who are connected see them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test.utils import override_settings
from websockets.sync.client import ClientConnection, connect

from faulty import loses_answers
from moorline_django import Refused, Unavailable, notify, token
from server import Moorline

READY = "ready"
"""Said until it is heard."""


@contextmanager
def window(server: Moorline, user: str, room: str) -> Iterator[ClientConnection]:
    """A connection of a person that hears what is said in a room: it does a moment after it was welcomed."""
    with connect(server.url.replace("http", "ws") + "/ws") as socket:
        socket.send(json.dumps({"type": "hello", "token": token(user)}))
        assert json.loads(socket.recv(timeout=20))["type"] == "welcome"
        for _ in range(100):
            notify(READY, room=room)
            with suppress(TimeoutError):
                while json.loads(socket.recv(timeout=0.2)).get("name") != READY:
                    pass
                break
        else:
            pytest.fail(f"{user} never hears what is said in {room}")
        yield socket


def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next notice of a test."""
    while True:
        frame: dict[str, Any] = json.loads(socket.recv(timeout=20))
        if frame.pop("type") == "notice" and frame["name"] != READY:
            return frame


def test_a_notice_reaches_a_room_or_one_person_and_nobody_else(configured: Moorline) -> None:
    room = configured.room("notices.one", "7", "8")
    with window(configured, "7", room) as seven, window(configured, "8", room) as eight:
        shown = notify("order.paid", {"id": 4711, "lines": [1.5, "ü", None], "big": 2**60}, room=room)
        assert (shown.repeated, shown.everywhere) == (False, True)
        notify("logged.out", user=User(pk=7))
        notify("over", room=room)
        data = {"id": 4711, "lines": [1.5, "ü", None], "big": str(2**60)}
        paid = {"room": room, "name": "order.paid", "data": data}
        over = {"room": room, "name": "over", "data": None}
        out = {"user": "7", "name": "logged.out", "data": None}
        assert [heard(seven) for _ in range(3)] == [paid, out, over]
        assert [heard(eight) for _ in range(2)] == [paid, over]


def test_the_same_key_and_a_lost_answer_show_nothing_twice(configured: Moorline) -> None:
    room = configured.room("notices.key", "ann")
    with window(configured, "ann", room) as ann:
        assert not notify("first", room=room, key="key-1").repeated
        assert notify("first", room=room, key="key-1").repeated
        middle, lost = loses_answers(configured.port, 2)
        with middle, override_settings(MOORLINE=configured.settings(URL=middle.url)):
            assert notify("second", room=room).repeated
        assert len(lost) == 2
        assert b'"repeated":false' in lost[0], "the fault did not bite"
        notify("last", room=room)
        assert [heard(ann)["name"] for _ in range(3)] == ["first", "second", "last"]


def test_on_commit_it_goes_after_the_commit_and_not_after_a_rollback(configured: Moorline) -> None:
    room = configured.room("notices.commit", "ann")
    with window(configured, "ann", room) as ann:
        with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
            transaction.on_commit(lambda: notify("undone", room=room), robust=True)
            raise RuntimeError
        with transaction.atomic():
            transaction.on_commit(lambda: notify("kept", room=room), robust=True)
        assert heard(ann)["name"] == "kept"


def test_a_server_that_is_away_is_told_and_the_key_asks_again(own_server: Moorline) -> None:
    own_server.room("away", "ann")
    with override_settings(MOORLINE=own_server.settings(RETRY=0.5)):
        own_server.kill()
        with pytest.raises(Unavailable) as away:
            notify("n", room="away", key="again")
        assert (away.value.key, away.value.answered) == ("again", False)
        own_server.start()
        with window(own_server, "ann", "away") as ann:
            assert not notify("n", room="away", key=away.value.key).repeated
            assert heard(ann)["name"] == "n"


def test_what_the_server_refuses_is_told_by_its_cause(configured: Moorline) -> None:
    for target in ({"room": "notices.nowhere"}, {"user": "nobody.at.all"}):
        with pytest.raises(Refused) as refused:
            notify("n", **target)
        assert (refused.value.code, refused.value.status) == ("not_found", 404)


def test_what_the_server_would_refuse_is_refused_at_once() -> None:
    deep: Any = None
    for _ in range(17):
        deep = [deep]
    bad: list[Any] = [{1: "x"}, float("nan"), float("inf"), {"a": object()}, deep, "x" * 70_000, b"bytes"]
    with override_settings(MOORLINE={}):
        for data in bad:
            with pytest.raises((ValueError, TypeError)):
                notify("n", data, room="ops")
        for arguments in ({}, {"room": "a", "user": "b"}, {"room": "a b"}, {"room": "a", "key": "ü"}):
            with pytest.raises(ValueError):
                notify("n", **arguments)
        for name in ("", "two words", "ü", "x" * 65):
            with pytest.raises(ValueError):
                notify(name, room="ops")
