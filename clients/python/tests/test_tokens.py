"""Tokens, judged by a real server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings
from websockets.sync.client import ClientConnection, connect

from moorline_django import token
from server import Moorline

ANN = User(pk=41, username="ann", first_name="Ann", last_name="Lée")


@contextmanager
def opened(server: Moorline, made: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}/ws", open_timeout=10) as socket:
        socket.send(json.dumps({"type": "hello", "token": made}))
        yield socket


def heard(socket: ClientConnection) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(socket.recv(timeout=10))
    return said


def test_a_token_opens_a_socket_as_the_user(configured: Moorline) -> None:
    with opened(configured, token(ANN)) as socket:
        welcome = heard(socket)
    assert (welcome["type"], welcome["user"]) == ("welcome", {"id": "41", "name": "Ann Lée"})


def test_an_id_will_do_and_a_name_may_be_given(configured: Moorline) -> None:
    with opened(configured, token("shop ✓", name="The shop")) as socket:
        assert heard(socket)["user"] == {"id": "shop ✓", "name": "The shop"}


def test_a_token_with_rooms_lets_its_holder_join_them_and_no_others(configured: Moorline) -> None:
    configured.room("tokens.a", "owner")
    configured.room("tokens.b", "owner")
    with opened(configured, token("joiner", rooms=["tokens.a"])) as socket:
        assert heard(socket)["type"] == "welcome"
        answers = {}
        for number, room in enumerate(["tokens.a", "tokens.b"]):
            command = {"type": "join", "id": number, "room": room, "cid": f"join-{number}"}
            socket.send(json.dumps(command))
            while (said := heard(socket)).get("id") != number:
                pass
            answers[room] = said["type"]
    assert answers == {"tokens.a": "ack", "tokens.b": "error"}


def test_a_token_of_another_secret_is_refused(configured: Moorline) -> None:
    with override_settings(MOORLINE=configured.settings(JWT_SECRET="x" * 40)):
        made = token(ANN)
    with opened(configured, made) as socket:
        said = heard(socket)
    assert said.get("type") == "error"
    assert said.get("code") == "token_refused"


def test_functions_of_the_project_say_id_and_name(configured: Moorline) -> None:
    own = configured.settings(USER_ID=lambda user: f"acme-{user.pk}", USER_NAME=lambda user: user.username.upper())
    with override_settings(MOORLINE=own), opened(configured, token(ANN)) as socket:
        assert heard(socket)["user"] == {"id": "acme-41", "name": "ANN"}


def test_who_is_nobody_gets_no_token(configured: Moorline) -> None:
    for nobody in (AnonymousUser(), User(pk=3, username="gone", is_active=False), User(username="unsaved")):
        with pytest.raises(ValueError):
            token(nobody)


def test_what_the_server_could_not_take_is_refused_at_once(configured: Moorline) -> None:
    for who in ("", "u_reserved", "a\nb", "x" * 129, "\u202e"):
        with pytest.raises(ValueError):
            token(who)
    with pytest.raises(TypeError):
        token("ann", rooms="ops")
    for rooms in (["a b"], [""], ["x" * 65], [f"{'x' * 60}{n}" for n in range(300)]):
        with pytest.raises(ValueError):
            token("ann", rooms=rooms)
    with pytest.raises(ValueError):
        token("ann", seconds=0)


def test_without_a_secret_the_setting_is_named() -> None:
    with override_settings(MOORLINE={}), pytest.raises(ImproperlyConfigured, match="JWT_SECRET"):
        token("ann")
