"""The system checks: each finds its fault, says what, why and what to do, and nothing else speaks up."""

import re
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.test.utils import override_settings

from moorline_django.checks import check, redis_py
from moorline_django.checks.hosts import of_url

CORE = "channels_redis.core.RedisChannelLayer"
URL = "redis://:s3cret@localhost:6379/0"
GOOD_HOST = {"address": URL, "socket_timeout": None, "max_connections": 10_000}
GOOD_MOORLINE = {"API_KEY": "k" * 32, "JWT_SECRET": "s" * 32, "REDIS_URL": URL}


def layers(backend: str = CORE, **config: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": [GOOD_HOST], "capacity": 1500, "expiry": 10, **config}}}


def found(
    moorline: Any = GOOD_MOORLINE, channel_layers: Any = None, debug: bool = False, asgi: str | None = None
) -> list[CheckMessage]:
    with override_settings(
        MOORLINE=moorline,
        CHANNEL_LAYERS=layers() if channel_layers is None else channel_layers,
        DEBUG=debug,
        ASGI_APPLICATION=asgi,
    ):
        return check()


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("moorline.") for message in messages]


@pytest.fixture(autouse=True)
def _redis_py_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_py, "installed", lambda: 8)


def with_host(host: Any) -> dict[str, Any]:
    return layers(hosts=[host])


def test_good_settings_are_passed_over_in_silence() -> None:
    assert found() == []
    assert found(channel_layers={}) == []
    assert found(moorline={"API_KEY": "k" * 32}) == []


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        ("W001", {"channel_layers": with_host({**GOOD_HOST, "address": "redis://localhost:6379/0"}), "moorline": {}}),
        ("W002", {"channel_layers": with_host({**GOOD_HOST, "address": "redis://:s3cret@localhost:6379/1"})}),
        ("W002", {"channel_layers": with_host({**GOOD_HOST, "db": 2})}),
        ("W003", {"channel_layers": layers(prefix="mine")}),
        ("W004", {"channel_layers": layers(expiry=60)}),
        ("W005", {"channel_layers": layers(capacity=100)}),
        ("W006", {"channel_layers": layers("channels_redis.pubsub.RedisPubSubChannelLayer")}),
        ("W007", {"channel_layers": {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}}),
        ("W008", {"channel_layers": with_host({"address": URL, "max_connections": 10_000})}),
        ("W008", {"channel_layers": with_host(f"{URL}?socket_timeout=5&max_connections=10000")}),
        ("W009", {"channel_layers": with_host({"address": URL, "socket_timeout": None})}),
        ("W009", {"channel_layers": with_host(f"{URL}?socket_timeout=30")}),
        ("W011", {"channel_layers": with_host({**GOOD_HOST, "address": "redis://:other@localhost:6379/0"})}),
        ("W011", {"channel_layers": layers(hosts=[GOOD_HOST, GOOD_HOST])}),
        ("W012", {"moorline": {**GOOD_MOORLINE, "JWT_SECRET": "short"}}),
        ("W013", {"channel_layers": layers(expiry=1.5), "moorline": {}}),
    ],
)
def test_each_fault_is_found_alone(expected: str, arguments: dict[str, Any]) -> None:
    messages = found(**arguments)
    assert ids(messages) == [expected]
    assert messages[0].hint, "it says what to do"
    assert len(messages[0].msg) > 60, "it says why"
    assert "s3cret" not in str(messages[0]), "a check is no place for a password"


def test_the_defaults_of_channels_redis_are_what_is_compared() -> None:
    bare = {"default": {"BACKEND": CORE, "CONFIG": {"hosts": [GOOD_HOST]}}}
    assert ids(found(channel_layers=bare)) == ["W004", "W005"]


def test_without_hosts_it_is_localhost_without_a_password() -> None:
    bare = {"default": {"BACKEND": CORE}}
    assert ids(found(moorline={}, channel_layers=bare)) == ["W001", "W008", "W009"]


def test_redis_py_7_has_neither_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_py, "installed", lambda: 7)
    assert found(channel_layers=with_host(URL)) == []
    assert ids(found(channel_layers=with_host(f"{URL}?socket_timeout=3"))) == ["W008"]


def test_the_in_memory_layer_is_fine_for_development() -> None:
    assert found(channel_layers={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, debug=True) == []


def test_pubsub_has_no_blocking_read_and_no_databases() -> None:
    pubsub = layers(
        "channels_redis.pubsub.RedisPubSubChannelLayer",
        hosts=[{"address": "redis://:s3cret@localhost:6379/5", "max_connections": 10_000}],
    )
    assert found(moorline={**GOOD_MOORLINE, "LAYER_KIND": "pubsub"}, channel_layers=pubsub) == []


def test_sentinel_and_sockets_are_understood() -> None:
    sentinel = {**GOOD_HOST, "master_name": "mymaster", "sentinels": [("h", 26379)], "password": "s3cret", "db": 3}
    del sentinel["address"]
    moorline = {**GOOD_MOORLINE, "REDIS_URL": "redis+sentinel://:s3cret@h:26379,h2:26379/mymaster/3"}
    assert found(moorline=moorline, channel_layers=with_host(sentinel)) == []
    socket = {**GOOD_HOST, "address": "unix:///run/redis.sock?db=1"}
    moorline = {**GOOD_MOORLINE, "REDIS_URL": "unix:///run/redis.sock?db=1"}
    assert found(moorline=moorline, channel_layers=with_host(socket)) == []


def test_a_password_is_decoded_before_it_is_compared() -> None:
    assert of_url("redis://:a%40b%2Fc@h/0").password == "a@b/c"
    assert found(channel_layers=with_host({**GOOD_HOST, "password": "s3cret"})) == []


@pytest.mark.parametrize(
    ("moorline", "said"),
    [
        (None, "must be a dict|is not set"),
        ({"API_KYE": "x"}, "API_KYE"),
        ({"URL": "localhost:8000"}, "must be like http://host:8000"),
        ({"URL": "http://user:pw@h"}, "must be like"),
        ({"TIMEOUT": 0}, "above 0"),
        ({"RETRY": "5"}, "wrong type"),
        ({"API_KEY": "x", "API_KEY_FILE": "y"}, "both"),
        ({"API_KEY_FILE": "/nowhere/key"}, "cannot be read"),
        ({"USER_ID": "nowhere.function"}, "cannot be imported"),
        ({"USER_ID": 7}, "function of a user"),
        ({"LAYER_KIND": "memory"}, "core or pubsub"),
        ({"DJANGO_EVENTS": "chat"}, "--django-events"),
        ({"DJANGO_EVENTS": ["group=a type=b", "group=a"]}, "'group=a'"),
        ({"DJANGO_EVENTS": {"group": "a", "type": "b"}}, "--django-events"),
    ],
)
def test_a_moorline_that_cannot_be_read_is_one_error(moorline: Any, said: str) -> None:
    messages = found(moorline=moorline)
    assert ids(messages) == ["E001"]
    assert re.search(said, messages[0].msg), messages[0].msg


EVENTS = {**GOOD_MOORLINE, "DJANGO_EVENTS": "group=chat.{room} type=chat.event"}


def test_each_consumer_that_may_join_the_group_without_a_handler_is_named_once() -> None:
    messages = found(moorline=EVENTS, asgi="project.asgi.application")
    assert {str(message.id) for message in messages} == {"moorline.W010"}
    named = sorted(message.msg.split()[0].rpartition(".")[2] for message in messages)
    assert named == ["Inherits", "Lacks", "LacksByFormat", "LacksUnknown", "Listed"]
    assert "async def chat_event(self, event)" in str(messages[0].hint)


def test_each_pair_of_group_and_type_is_looked_at() -> None:
    both = ["group=orders_{room} type=order.paid", "group=chat.{room} type=chat.event"]
    messages = found(moorline={**EVENTS, "DJANGO_EVENTS": both}, asgi="project.asgi.application")
    assert sum("order_paid" in message.msg for message in messages) == 2, "of Elsewhere and LacksUnknown"
    assert len(messages) == 7


def test_without_django_events_no_consumer_is_looked_at() -> None:
    assert found(asgi="project.asgi.application") == []
    assert found(asgi="nowhere.application") == []


def test_routes_that_cannot_be_imported_are_told_and_end_no_check() -> None:
    assert ids(found(moorline=EVENTS, asgi="nowhere.application")) == ["W014"]
    assert found(moorline=EVENTS, asgi="project.asgi.broken") == []
