"""Several hosts: where everything lies, and the direct sends that the original loses."""

import asyncio
import binascii

import pytest

from parties.peer import LayerError
from parties.world import DIRECTIONS, Direction, World


def index(name: str, hosts: int = 3) -> int:
    """The host of a name, by the specification and by nobody's code."""
    return (binascii.crc32(name.encode()) & 0xFFF) * hosts // 4096


def places(world: World, key: str) -> list[int]:
    """The hosts that hold a key."""
    return [number for number, server in enumerate(world.servers) if server.client.exists(key)]


@pytest.mark.parametrize("group", ["room.1", "chat_lobby", "a", "b", "c", "d", "e"])
async def test_a_group_lies_on_the_host_of_its_name(world: World, group: str) -> None:
    for peer in (await world.subject(world.options(3)), await world.django(world.options(3))):
        await peer.group_add(group, "worker")
        assert places(world, f"asgi:group:{group}") == [index(group)]
        await peer.group_discard(group, "worker")
        assert places(world, f"asgi:group:{group}") == []


async def test_group_messages_lie_on_the_host_of_each_process(world: World) -> None:
    subject, django = await world.subject(world.options(3)), await world.django(world.options(3))
    for sender in (subject, django):
        names = [f"process.{number:032x}!" for number in range(12)]
        for name in names:
            await sender.group_add("g", name + "local")
        await sender.group_send("g", {"type": "m"})
        assert {index(name) for name in names} == {0, 1, 2}
        for name in names:
            assert places(world, f"asgi{name}") == [index(name)]
        for server in world.servers:
            server.client.flushall()


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_group_messages_reach_receivers_on_all_hosts(world: World, direction: Direction) -> None:
    options = world.options(3)
    sender, receiver = await world.pair(direction, options)
    receivers = [receiver] + [await world.django(options) for _ in range(5)]
    channels = [await one.new_channel() for one in receivers]
    for one, channel in zip(receivers, channels, strict=True):
        await one.group_add("g", channel)
    await sender.group_send("g", {"type": "m"})
    for one, channel in zip(receivers, channels, strict=True):
        assert await one.receive(channel) == {"type": "m"}


@pytest.mark.better
async def test_every_direct_send_reaches_a_python_receiver(world: World) -> None:
    subject, django = await world.subject(world.options(3)), await world.django(world.options(3))
    channels = [await django.new_channel() for _ in range(30)]
    for channel in channels:
        await subject.send(channel, {"to": channel})
    for channel in channels:
        assert await django.receive(channel, 1) == {"to": channel}


@pytest.mark.better
async def test_direct_sends_that_python_misplaces_arrive_here(world: World) -> None:
    subject, django = await world.subject(world.options(3)), await world.django(world.options(3))
    channels = [await subject.new_channel() for _ in range(30)]
    waiting = [asyncio.ensure_future(subject.receive(channel, 8)) for channel in channels]
    for channel in channels:
        await django.send(channel, {"to": channel})
    assert await asyncio.gather(*waiting) == [{"to": channel} for channel in channels]
    own = "asgi" + channels[0].split("!")[0] + "!"
    assert places(world, own) == []


@pytest.mark.better
async def test_a_worker_takes_from_every_host_without_waiting_for_one(world: World) -> None:
    subject = await world.subject(world.options(3))
    for place in (2, 1, 0, 0, 2, 1):
        django = await world.django(world.options().but(hosts=[world.servers[place].url()]))
        await django.send("worker", {"n": place})
        assert await subject.receive("worker", 3) == {"n": place}


async def test_a_worker_of_the_original_gets_all_that_is_sent_over_all_hosts(world: World) -> None:
    subject, django = await world.subject(world.options(3)), await world.django(world.options(3))
    for number in range(9):
        await subject.send("worker", {"n": number})
    found = [await django.receive("worker", 3) for _ in range(9)]
    assert sorted(one["n"] for one in found) == list(range(9))
    assert places(world, "asgiworker") == []


@pytest.mark.better
async def test_a_workers_group_messages_arrive_too(world: World) -> None:
    """A group message to a named channel goes to the host of its name, a direct one anywhere."""
    subject, django = await world.subject(world.options(3)), await world.django(world.options(3))
    await django.group_add("g", "worker")
    for _ in range(3):
        await django.group_send("g", {"type": "m"})
    assert places(world, "asgiworker") == [index("worker")]
    for _ in range(3):
        assert await subject.receive("worker", 6) == {"type": "m"}


@pytest.mark.better
async def test_expired_messages_are_pruned_on_the_channels_own_host(world: World) -> None:
    subject = await world.subject(world.options(3, capacity=2))
    names = [f"process.{number:032x}!" for number in range(12)]
    for name in names:
        await subject.group_add("g", name + "local")
        world.servers[index(name)].client.zadd(f"asgi{name}", {b"old": 1, b"older": 2})
    await subject.group_send("g", {"type": "m"})
    for name in names:
        left = world.servers[index(name)].client.zrange(f"asgi{name}", 0, -1)
        assert len(left) == 1 and left[0] not in (b"old", b"older")


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_pubsub_names_are_heard_on_their_own_host_only(world: World, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options(3, layer="pubsub"))
    for number in range(10):
        channel, group = await receiver.new_channel(), f"room.{number}"
        await receiver.group_add(group, channel)
        await sender.send(channel, {"n": number})
        await sender.group_send(group, {"g": number})
        found = [await receiver.receive(channel), await receiver.receive(channel)]
        assert sorted(map(str, found)) == sorted(map(str, [{"n": number}, {"g": number}]))
        for name in (channel, f"asgi__group__{group}"):
            heard = [dict(server.client.pubsub_numsub(name))[name.encode()] for server in world.servers]
            assert [number for number, count in enumerate(heard) if count] == [index(name)]


@pytest.mark.better
async def test_a_dead_host_does_not_keep_messages_for_members_on_the_others(world: World) -> None:
    """The original goes host by host and stops at the first that fails."""
    options = world.options(3)
    dead = options.but(hosts=[options.hosts[0], options.hosts[1], "redis://127.0.0.1:1/0"])
    group = next(name for name in (f"room.{n}" for n in range(50)) if index(name) == 0)
    subject = await world.subject(dead)
    names = [f"process.{number:032x}!" for number in range(12)]
    for place, name in enumerate(sorted(names, key=index, reverse=True)):
        world.servers[0].client.zadd(f"asgi:group:{group}", {name + "local": 10**10 + place})
    try:
        await asyncio.wait_for(subject.group_send(group, {"type": "m"}), 15)
    except LayerError:
        pass  # An error is right: not everybody was reached.
    for name in names:
        if index(name) != 2:
            assert places(world, f"asgi{name}") == [index(name)]
