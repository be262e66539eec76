"""Hostile content put raw into Redis: the subject survives it, in bounded memory, and goes on.

The original raises for most of it; what it does is in test_spec_errors.
"""

import asyncio
import struct
import time
from collections.abc import Callable

import msgpack
import pytest

from parties.planting import PREFIX, put, token
from parties.world import World

pytestmark = pytest.mark.moorline

NAMED = b"\xb0__asgi_channel__"

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "one byte that means nothing": b"\xc1",
    "nesting a million deep": b"\x91" * 1_000_000,
    "maps a million deep": b"\x81\xa1a" * 1_000_000,
    "an array that claims four milliards": b"\xdd\xff\xff\xff\xff",
    "a map that claims four milliards": b"\xdf\xff\xff\xff\xff",
    "text that claims four gigabytes": b"\xdb\xff\xff\xff\xff",
    "bytes that claim four gigabytes": b"\x81\xa1a\xc6\xff\xff\xff\xff",
    "many arrays that each claim much": b"\xdd\x00\x0f\xff\xff" * 2000,
    "text that is not UTF-8": b"\x81\xa1a\xa2\xff\xfe",
    "a key that is not UTF-8": b"\x81\xa2\xff\xfe\x01",
    "an integer as a key": b"\x81\x01\x02",
    "nothing as a key": b"\x81\xc0\x02",
    "a list as a key": b"\x81\x90\x02",
    "an extension": b"\x81\xa1a\xc7\x01\x05x",
    "an extension that claims four gigabytes": b"\x81\xa1a\xc9\xff\xff\xff\xff\x05",
    "a broken timestamp": b"\x81\xa1a\xd6\xff\xff",
    "more after the end": b"\x80\x80",
    "cut short": b"\x82\xa1a\x01\xa1",
    "json where msgpack is due": b'{"type": "m"}',
    "an encrypted message without a key": token("k", {"type": "m"}),
    "no map": b"\x01",
    "a list": b"\x91\x01",
    "a channel that is a number": b"\x82\xa1a\x01" + NAMED + b"\x05",
    "a channel that is nothing": b"\x82\xa1a\x01" + NAMED + b"\xc0",
    "channels that are numbers": b"\x82\xa1a\x01" + NAMED + b"\x92\x01\x02",
    "no channel": b"\x81\xa1a\x01",
    "no channels": b"\x82\xa1a\x01" + NAMED + b"\x90",
    "a channel of somebody else": b"\x82\xa1a\x01" + NAMED + b"\xa9other.c!x",
    "a hundred thousand channels": b"\x82\xa1a\x01"
    + NAMED
    + msgpack.packb([f"specific.c!{n}" for n in range(100_000)]),
    "a very long channel": b"\x82\xa1a\x01" + NAMED + msgpack.packb("x" * 5_000_000),
    "sixteen megabytes of zeros": bytes(16 << 20),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_message_that_cannot_be_meant_is_passed_over(world: World, name: str) -> None:
    subject, django = await world.subject(), await world.django()
    channel = await subject.new_channel()
    own = "asgi" + channel.split("!")[0] + "!"
    put(world.redis, own, BODIES[name])
    await django.send(channel, {"type": "good"})
    assert await subject.receive(channel) == {"type": "good"}
    assert subject.resident_bytes() < 400 << 20


@pytest.mark.parametrize("length", range(12))
async def test_a_member_shorter_than_its_prefix_is_passed_over(world: World, length: int) -> None:
    subject, django = await world.subject(), await world.django()
    world.redis.zadd("asgiworker", {PREFIX[:length]: time.time() - 1})
    await django.send("worker", {"type": "good"})
    assert await subject.receive("worker") == {"type": "good"}


@pytest.mark.parametrize("name", [name for name in BODIES if "channel" not in name and name != "an extension"])
async def test_pubsub_passes_over_it_too(world: World, name: str) -> None:
    subject = await world.subject(world.options(layer="pubsub"))
    channel = await subject.new_channel()
    world.redis.publish(channel, BODIES[name])
    world.redis.publish(channel, msgpack.packb({"type": "good"}))
    assert await subject.receive(channel) == {"type": "good"}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a": }', b"[" * 1_000_000, b'{"a":' * 1_000_000, b'"\xff"', b"nul", b'{"a": 1e999999}', b'{"a": "\\ud800"}', b"1" * 1_000_000],
    ids=range(10),
)
async def test_json_that_cannot_be_meant_is_passed_over(world: World, text: bytes) -> None:
    options = world.options(serializer="json")
    subject, django = await world.subject(options), await world.django(options)
    put(world.redis, "asgiworker", text)
    await django.send("worker", {"type": "good"})
    found = await subject.receive("worker")
    if found != {"type": "good"}:  # A huge number or a lone surrogate may be read as Python reads it.
        assert await subject.receive("worker") == {"type": "good"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text[:50],
        lambda text: b"hAAAA" + text[5:],
        lambda text: text[:30] + b"!!!!" + text[34:],
        lambda text: text[:60] + bytes([text[60] ^ 1]) + text[61:],
        lambda text: text + text,
        lambda text: b"gAAAAA==",
        lambda text: b"=" * 200,
        lambda text: bytes(range(256)),
    ],
    ids=range(9),
)
async def test_a_spoilt_token_is_passed_over(world: World, spoil: Callable[[bytes], bytes]) -> None:
    options = world.options(keys=["k"])
    subject, django = await world.subject(options), await world.django(options)
    put(world.redis, "asgiworker", spoil(token("k", {"type": "bad"})))
    await django.send("worker", {"type": "good"})
    assert await subject.receive("worker") == {"type": "good"}


async def test_ten_thousand_bad_messages_do_not_fill_the_log(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    for number in range(10_000):
        put(world.redis, "asgiworker", b"\xc1" + struct.pack(">I", number))
    await django.send("worker" + "s", {"type": "m"})
    world.redis.zadd("asgiworker", {PREFIX + msgpack.packb({"type": "good"}): time.time() + 60})
    assert await subject.receive("worker", 40) == {"type": "good"}
    assert len(subject.log().splitlines()) < 50
    assert "not valid msgpack" in subject.log()


@pytest.mark.parametrize("key", ["asgi:group:g", "own", "inflight"])
async def test_a_key_of_another_type_is_an_error_and_passes(world: World, key: str) -> None:
    subject, django = await world.subject(), await world.django()
    channel = await subject.new_channel()
    own = "asgi" + channel.split("!")[0] + "!"
    name = {"own": own, "inflight": own + "$inflight"}.get(key, key)
    await subject.group_add("g", channel)
    world.redis.delete(name)
    world.redis.set(name, "text")
    waiting = asyncio.ensure_future(subject.receive(channel, 15))
    if key == "asgi:group:g":
        with pytest.raises(Exception, match="WRONGTYPE"):
            await subject.group_send("g", {"type": "m"})
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    world.redis.delete(name)
    if done:
        assert "WRONGTYPE" in str(waiting.exception())
        waiting = asyncio.ensure_future(subject.receive(channel, 15))
    await django.send(channel, {"type": "good"})
    assert await waiting == {"type": "good"}


async def test_a_group_full_of_rubbish_still_serves_its_members(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    channel = await django.new_channel()
    await django.group_add("g", channel)
    rubbish = [b"", b"!", b"a!b!c", b"x" * 1_000_000, b"a b\r\n:/", b"\xc3\xa9", b"!" * 1000, b"*", b"{}"]
    world.redis.zadd("asgi:group:g", {name: time.time() for name in rubbish})
    world.redis.zadd("asgi:group:g", {"infinite": float("inf")})
    await subject.group_send("g", {"type": "good"})
    assert await django.receive(channel) == {"type": "good"}


async def test_a_member_that_is_not_utf8_does_not_stop_the_others(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    channel = await django.new_channel()
    await django.group_add("g", channel)
    world.redis.zadd("asgi:group:g", {b"\xff\xfe": time.time(), b"a!\xff": time.time()})
    await subject.group_send("g", {"type": "good"})
    assert await django.receive(channel) == {"type": "good"}


async def test_scores_that_are_no_times_are_delivered(world: World) -> None:
    subject = await world.subject()
    bodies = {score: PREFIX + msgpack.packb({"s": str(score)}) for score in (float("-inf"), -5.0, 0.0, 1e300, float("inf"))}
    world.redis.zadd("asgiworker", {body: score for score, body in bodies.items()})
    for score in bodies:
        assert await subject.receive("worker") == {"s": str(score)}
