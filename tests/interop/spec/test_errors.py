"""What the original raises, word for word, since people search the web for it."""

from typing import Any

import pytest

from channels_redis.utils import _consistent_hash
from parties.django import CLASSES
from parties.planting import put, token
from parties.world import World
from test_hosts import index

A_MESSAGE = bytes.fromhex("82a474797065ac746573742e6d657373616765a474657874a548656c6c6f")

NAME_ERROR = (
    "name must be a valid unicode string with length < 100 containing only ASCII alphanumerics, "
    "hyphens, underscores, or periods"
)


@pytest.mark.parametrize(
    "body,options,expected",
    [
        (A_MESSAGE, {"keys": ["k"]}, "InvalidToken"),
        (token("other", {}), {"keys": ["k"]}, "InvalidToken"),
        (token("k", {}, 100), {"keys": ["k"], "expiry": 10}, "InvalidToken"),
        (token("k", {}, -100), {"keys": ["k"]}, "InvalidToken"),
        (token("k", {}), {}, "ExtraData: unpack(b) received extra data."),
        (b'{"type": "m"}', {}, "ExtraData: unpack(b) received extra data."),
        (b"\x81\xa1a\x01", {"serializer": "json"}, "UnicodeDecodeError: 'utf-8' codec can't decode byte 0x81 in position 0"),
        (A_MESSAGE[:-3], {}, "ValueError: Unpack failed: incomplete input"),
        (b"\xc1", {}, "FormatError"),
    ],
    ids=["plain", "other key", "too old", "from the future", "encrypted", "json", "msgpack", "cut short", "garbage"],
)
async def test_peers_that_disagree(world: World, body: bytes, options: dict[str, Any], expected: str) -> None:
    django = await world.django(world.options(**options))
    put(world.redis, "asgiworker", body)
    with pytest.raises(Exception, match="Decode") as caught:
        await django.receive("worker")
    assert expected in str(caught.value)
    assert world.redis.zcard("asgiworker") == 0, "it is lost"


async def test_a_key_of_another_type(world: World) -> None:
    django = await world.django()
    world.redis.set("asgiworker", 1)
    with pytest.raises(Exception, match="WRONGTYPE Operation against a key holding the wrong kind of value"):
        await django.receive("worker")


async def test_names_and_messages(world: World) -> None:
    layer = (await world.django()).layer
    with pytest.raises(TypeError, match="Channel " + NAME_ERROR):
        await layer.send("a" * 100, {})
    with pytest.raises(TypeError, match="Group " + NAME_ERROR):
        await layer.group_send("a b", {})
    with pytest.raises(AssertionError, match="message is not a dict"):
        await layer.send("a", 5)
    with pytest.raises(AssertionError):
        await layer.send("a", {"__asgi_channel__": 1})
    with pytest.raises(AssertionError, match="Wrong client prefix"):
        await layer.receive("specific.c!x")
    with pytest.raises(OverflowError):
        await layer.send("a", {"n": 2**64})
    pubsub = (await world.django(world.options(layer="pubsub"))).layer
    with pytest.raises(RuntimeError, match="You can only call group_add\\(\\) on channels that exist in-process."):
        await pubsub.group_add("g", "x")


def test_hosts_and_keys_that_are_no_lists() -> None:
    with pytest.raises(ValueError, match="You must pass a list of Redis hosts, even if there is only one."):
        CLASSES["core"](hosts="redis://h")
    with pytest.raises(ValueError, match="symmetric_encryption_keys must be a list of possible keys"):
        CLASSES["core"](symmetric_encryption_keys="k")


async def test_a_host_without_a_scheme(world: World) -> None:
    django = await world.django(world.options().but(hosts=["h:6379"]))
    with pytest.raises(Exception, match=r"Redis URL must specify one of the following schemes \(redis://, rediss://, unix://\)"):
        await django.send("worker", {})


@pytest.mark.parametrize("hosts", [2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 100])
def test_the_host_of_a_name_is_what_integers_say(hosts: int) -> None:
    for number in range(5000):
        assert _consistent_hash(f"name {number} é", hosts) == index(f"name {number} é", hosts)


@pytest.mark.parametrize(
    "name,expected",
    [
        ("room.1", [1, 2, 2, 3, 5, 11]),
        ("chat_lobby", [1, 1, 2, 2, 3, 8]),
        ("specific.0123456789abcdef0123456789abcdef!", [0, 1, 1, 1, 2, 5]),
        ("specific.0123456789abcdef0123456789abcdef!" + "0" * 32, [1, 1, 2, 3, 4, 9]),
        ("asgi__group__room.1", [0, 0, 1, 1, 1, 4]),
        ("asgispecific.0123456789abcdef0123456789abcdef", [0, 1, 1, 1, 2, 5]),
        ("a", [1, 2, 3, 4, 6, 14]),
        ("é", [1, 2, 3, 4, 5, 13]),
    ],
)
def test_the_table_of_hosts(name: str, expected: list[int]) -> None:
    assert [_consistent_hash(name, hosts) for hosts in (2, 3, 4, 5, 7, 16)] == expected


async def test_characters_outside_base64_do_not_spoil_a_token(world: World) -> None:
    """Python's decoder passes over them; ours does not, and nobody writes such tokens."""
    django = await world.django(world.options(keys=["k"]))
    body = token("k", {"type": "m"})
    put(world.redis, "asgiworker", body[:40] + b"\n" + body[40:])
    assert await django.receive("worker") == {"type": "m"}
