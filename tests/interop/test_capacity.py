"""Capacity: full channels, patterns, what counts, and what a full member does to its group."""

import asyncio

import pytest

from parties.options import Options
from parties.peer import LayerError, Peer, drain
from parties.world import DIRECTIONS, Direction, World


async def fill(sender: Peer, channel: str) -> int:
    """Sends until the channel is full; how many were taken."""
    for number in range(200):
        try:
            await sender.send(channel, {"n": number})
        except LayerError as error:
            assert error.code == "ChannelFull"
            return number
    raise AssertionError(f"{channel} never got full")


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_a_full_channel_refuses_and_keeps_what_it_had(world: World, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options(capacity=3))
    for channel in ("worker", await receiver.new_channel()):
        assert await fill(sender, channel) == 3
        assert [message["n"] for message in await drain(receiver, channel)] == [0, 1, 2]
        await sender.send(channel, {"again": True})
        assert await receiver.receive(channel) == {"again": True}


async def test_capacity_counts_what_anybody_sent(world: World) -> None:
    subject, django = await world.subject(world.options(capacity=4)), await world.django(world.options(capacity=4))
    await subject.send("worker", {"n": 1})
    await django.send("worker", {"n": 2})
    assert await fill(subject, "worker") == 2
    assert await fill(django, "worker") == 0


async def test_all_channels_of_one_process_share_its_capacity(world: World) -> None:
    options = world.options(capacity=4)
    subject, django = await world.subject(options), await world.django(options)
    for sender, receiver in ((subject, django), (django, subject)):
        for _ in range(4):
            await sender.send(await receiver.new_channel(), {"type": "m"})
        assert await fill(sender, await receiver.new_channel()) == 0


PATTERNS = [
    ("http.request", 1),
    ("http.*", 2),
    ("web?.x!*", 3),
    ("[ab]c", 4),
    ("[!ab]c", 5),
    ("Case*", 6),
    ("dot.dot", 7),
    ("end*end", 8),
    ("[]x]", 9),
    ("a[b", 10),
]

FITS = {
    "http.request": 1,
    "http.response": 2,
    "http.": 2,
    "http": 12,
    "xhttp.a": 12,
    "web1.x!local": 3,
    "web.x!local": 12,
    "web12.x!local": 12,
    "ac": 4,
    "cc": 5,
    "abc": 12,
    "Casework": 6,
    "casework": 12,
    "dotxdot": 12,
    "dot.dot": 7,
    "endend": 8,
    "end.middle.end": 8,
    "end.middle.ends": 12,
    "x": 9,
}


async def test_the_first_pattern_that_fits_the_whole_name_decides(world: World) -> None:
    options = world.options(capacity=12, channel_capacity=PATTERNS)
    subject, django = await world.subject(options), await world.django(options)
    for channel, capacity in FITS.items():
        for peer in (subject, django):
            assert await fill(peer, channel) == capacity, channel
            world.redis.flushall()


async def test_patterns_look_at_the_full_name_of_a_specific_channel(world: World) -> None:
    options = world.options(capacity=9, channel_capacity=[("*!*a*", 1), ("specific.*!*", 2)])
    subject, django = await world.subject(options), await world.django(options)
    for sender in (subject, django):
        assert await fill(sender, "specific.0123456789!xay") == 1
        assert await fill(sender, "specific.0123456789!xby") == 1
        world.redis.flushall()


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_a_full_member_is_left_out_of_a_group_message_without_an_error(
    world: World, direction: Direction
) -> None:
    sender, receiver = await world.pair(direction, world.options(capacity=2))
    channel = await receiver.new_channel()
    for member in (channel, "full.worker", "free.worker"):
        await receiver.group_add("g", member)
    assert await fill(sender, "full.worker") == 2
    await sender.group_send("g", {"type": "m"})
    assert await receiver.receive(channel) == await receiver.receive("free.worker") == {"type": "m"}
    assert [message["n"] for message in await drain(receiver, "full.worker")] == [0, 1]


async def test_a_group_uses_the_capacity_of_the_first_member_of_a_process(world: World) -> None:
    options = world.options(capacity=9, channel_capacity=[("*!small", 1), ("*!large", 5)])
    subject, django = await world.subject(options), await world.django(options)
    for sender in (subject, django):
        for first, second, expected in (("small", "large", 1), ("large", "small", 5)):
            world.redis.flushall()
            world.redis.zadd("asgi:group:g", {f"p.c!{first}": 10**10, f"p.c!{second}": 10**10 + 1})
            for _ in range(7):
                await sender.group_send("g", {"type": "m"})
            assert world.redis.zcard("asgip.c!") == expected


async def test_what_a_slow_local_reader_may_pile_up_is_bounded(world: World) -> None:
    """Python keeps the newest `capacity` messages of a channel that nobody reads."""
    options = world.options(capacity=5)
    subject, django = await world.subject(options), await world.django(options)
    for sender, receiver in ((django, subject), (subject, django)):
        slow, quick = await receiver.new_channel(), await receiver.new_channel()
        for number in range(20):
            await sent_when_free(sender, slow, {"n": number})
            await sent_when_free(sender, quick, {"n": number})
            assert (await receiver.receive(quick))["n"] == number
        left = [message["n"] for message in await drain(receiver, slow)]
        assert 0 < len(left) <= 5
        assert left == list(range(20 - len(left), 20)), "the oldest must go first"


async def sent_when_free(sender: Peer, channel: str, message: object) -> None:
    """Sends, again and again while the process's queue is full."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await sender.send(channel, message)
            except LayerError as error:
                assert error.code == "ChannelFull"
                await asyncio.sleep(0.01)


async def test_defaults_are_those_of_the_original(world: World) -> None:
    subject = await world.subject(Options(hosts=world.hosts()))
    await subject.send("worker", {"type": "m"})
    assert 0 < world.redis.ttl("asgiworker") <= 60
    await subject.group_add("g", "worker")
    assert 86000 < world.redis.ttl("asgi:group:g") <= 86400
    assert await fill(subject, "worker") == 99
