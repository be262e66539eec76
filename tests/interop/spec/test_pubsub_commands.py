"""The exact commands of the pubsub layer, and what it forgets."""

import asyncio
import re

import msgpack

from parties.deadline import eventually
from parties.monitor import Monitor
from parties.world import World


async def test_everything_is_subscribe_and_publish(world: World) -> None:
    django = await world.django(world.options(layer="pubsub"))
    with Monitor(world.servers[0]) as monitor:
        first = await django.new_channel()
        second = await django.new_channel("chat")
        for channel in (first, second):
            await django.group_add("room 1/é", channel)
        await django.send(first, {"type": "m"})
        await django.group_send("room 1/é", {"type": "g"})
        assert await django.receive(first) == {"type": "m"}
        assert await django.receive(first) == await django.receive(second) == {"type": "g"}
        for channel in (first, second):
            await django.group_discard("room 1/é", channel)
        await django.group_discard("never", second)
        found = [one for one in monitor.commands() if one[0] != b"PUBSUB"]
    group = "asgi__group__room 1/é".encode()
    assert re.fullmatch("asgispecific\\.[0-9a-f]{32}", first) and re.fullmatch("asgichat[0-9a-f]{32}", second)
    assert found == [
        [b"SUBSCRIBE", first.encode()],
        [b"SUBSCRIBE", second.encode()],
        [b"SUBSCRIBE", group],
        [b"PUBLISH", first.encode(), msgpack.packb({"type": "m"})],
        [b"PUBLISH", group, msgpack.packb({"type": "g"})],
        [b"UNSUBSCRIBE", group],
    ]


async def test_a_receive_that_is_cancelled_forgets_its_channel(world: World) -> None:
    django = await world.django(world.options(layer="pubsub"))
    channel = await django.new_channel()
    assert await django.receive(channel, 0.1) is None
    await eventually(lambda: dict(world.redis.pubsub_numsub(channel))[channel.encode()] == 0)


async def test_everybody_who_receives_a_name_gets_a_copy(world: World) -> None:
    options = world.options(layer="pubsub")
    peers = [await world.django(options) for _ in range(3)]
    waiting = [asyncio.ensure_future(peer.receive("worker")) for peer in peers]
    await eventually(lambda: dict(world.redis.pubsub_numsub("worker"))[b"worker"] == 3)
    await peers[0].send("worker", {"type": "m"})
    assert await asyncio.gather(*waiting) == [{"type": "m"}] * 3


async def test_nothing_is_stored_and_nobody_there_is_no_error(world: World) -> None:
    django = await world.django(world.options(layer="pubsub"))
    await django.send("nobody", {"type": "m"})
    await django.group_send("nobody", {"type": "m"})
    assert world.redis.keys() == []


async def test_the_database_does_not_matter(world: World) -> None:
    url = world.servers[0].url
    here = await world.django(world.options(layer="pubsub").but(hosts=[url(database=1)]))
    there = await world.django(world.options(layer="pubsub").but(hosts=[url(database=2)]))
    channel = await here.new_channel()
    await there.send(channel, {"type": "m"})
    assert await here.receive(channel) == {"type": "m"}


async def test_flush_forgets_only_its_own_side(world: World) -> None:
    options = world.options(layer="pubsub")
    first, second = await world.django(options), await world.django(options)
    mine, theirs = await first.new_channel(), await second.new_channel()
    await first.group_add("g", mine)
    await second.group_add("g", theirs)
    await first.layer.flush()
    await eventually(lambda: dict(world.redis.pubsub_numsub(mine))[mine.encode()] == 0)
    await second.group_send("g", {"type": "m"})
    assert await second.receive(theirs) == {"type": "m"}


async def test_any_value_is_carried(world: World) -> None:
    """Ours carries maps only, as the contract of channel layers says."""
    django = await world.django(world.options(layer="pubsub"))
    channel = await django.new_channel()
    for value in (5, "text", [1, 2], b"bytes", 1.0, True, None):
        await django.send(channel, value)
        assert await django.receive(channel) == value
