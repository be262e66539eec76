"""Notices over a real Redis, as the server's side of the layer gets them."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test.utils import override_settings

from moorline_django import Unavailable, notify
from redis_server import RedisServer


def layers(url: str) -> dict[str, Any]:
    host = {"address": url, "socket_timeout": None}
    config = {"hosts": [host], "capacity": 3, "expiry": 10}
    return {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}


@pytest.fixture
def redis(tmp_path: Any) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    with override_settings(MOORLINE={}, CHANNEL_LAYERS=layers(server.url)):
        yield server
    server.stop()


def heard() -> dict[str, Any]:
    message: dict[str, Any] = async_to_sync(get_channel_layer().receive)("moorline")
    return message


def test_a_notice_reaches_the_channel_of_the_server(redis: RedisServer) -> None:
    notify("order.paid", {"id": 4711, "lines": [1.5, "ü", None]}, room="ops")
    notify("logged.out", user=User(pk=7))
    first, second = heard(), heard()
    ids = {first.pop("id"), second.pop("id")}
    assert len(ids) == 2
    for message in (first, second):
        assert abs(message.pop("at") - time.time() * 1000) < 60_000
    assert first == {
        "type": "chat.notice",
        "room": "ops",
        "name": "order.paid",
        "data": {"id": 4711, "lines": [1.5, "ü", None]},
    }
    assert second == {"type": "chat.notice", "user": "7", "name": "logged.out", "data": None}


def test_on_commit_it_goes_after_the_commit_and_not_after_a_rollback(redis: RedisServer) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        transaction.on_commit(lambda: notify("undone", room="ops"), robust=True)
        raise RuntimeError
    with transaction.atomic():
        transaction.on_commit(lambda: notify("kept", room="ops"), robust=True)
    assert heard()["name"] == "kept"


def test_a_full_channel_and_a_redis_that_is_away_are_told(redis: RedisServer) -> None:
    for _ in range(3):
        notify("n", room="ops")
    with pytest.raises(Unavailable, match="ChannelFull"):
        notify("n", room="ops")
    redis.stop()
    with pytest.raises(Unavailable, match="did not reach the channel layer"):
        notify("n", room="ops")


def test_what_the_server_would_refuse_is_refused_at_once() -> None:
    deep: Any = None
    for _ in range(17):
        deep = [deep]
    bad: list[Any] = [{1: "x"}, float("nan"), float("inf"), {"a": object()}, deep, "x" * 70_000, b"bytes"]
    with override_settings(MOORLINE={}):
        for data in bad:
            with pytest.raises((ValueError, TypeError)):
                notify("n", data, room="ops")
        for arguments in ({}, {"room": "a", "user": "b"}, {"room": "a b"}):
            with pytest.raises(ValueError):
                notify("n", **arguments)
        for name in ("", "two words", "ü", "x" * 65):
            with pytest.raises(ValueError):
                notify(name, room="ops")


def test_without_a_layer_the_setting_is_named() -> None:
    with override_settings(MOORLINE={}, CHANNEL_LAYERS={}), pytest.raises(ImproperlyConfigured, match="CHANNEL_LAYERS"):
        notify("n", room="ops")
