"""The quirks of the core layer that we work around or do better."""

import asyncio
import logging

import pytest

from parties.monitor import Monitor
from parties.peer import LayerError
from parties.planting import put
from parties.world import World
from test_hosts import index, places


async def test_half_of_the_direct_sends_over_three_hosts_are_lost(world: World) -> None:
    options = world.options(3)
    sender, receiver = await world.django(options), await world.django(options)
    channels = [await receiver.new_channel() for _ in range(30)]
    own = channels[0].split("!")[0] + "!"
    for channel in channels:
        await sender.send(channel, {"type": "m"})
    lie = {number: server.client.zcard(f"asgi{own}") for number, server in enumerate(world.servers)}
    assert lie == {number: sum(index(channel) == number for channel in channels) for number in range(3)}
    waiting = [asyncio.ensure_future(receiver.receive(channel, 1)) for channel in channels]
    arrived = [found for found in await asyncio.gather(*waiting) if found]
    assert len(arrived) == lie[index(own)] < 30


async def test_workers_and_senders_go_round_the_hosts(world: World) -> None:
    django = await world.django(world.options(3))
    for expected in ([0], [0, 1], [0, 1, 2]):
        await django.send("worker", {"type": "m"})
        assert places(world, "asgiworker") == expected
    for expected in ([1, 2], [2], []):
        assert await django.receive("worker") == {"type": "m"}
        assert places(world, "asgiworker") == expected


async def test_a_worker_may_sit_on_an_empty_host(world: World) -> None:
    django = await world.django(world.options(3))
    put(world.servers[1].client, "asgiworker", b"\x80")
    assert await django.receive("worker", 0.5) is None
    assert await django.receive("worker", 0.5) == {}


async def test_the_prune_of_a_group_message_goes_to_the_wrong_host(world: World) -> None:
    django = await world.django(world.options(3, capacity=1))
    group = next(name for name in (f"room.{n}" for n in range(50)) if index(name) == 0)
    channel = next(name for name in (f"p.{n}!" for n in range(50)) if index(name) == 2)
    await django.group_add(group, channel)
    world.servers[2].client.zadd(f"asgi{channel}", {b"old": 1})
    with Monitor(world.servers[0]) as monitor:
        await django.group_send(group, {"type": "m"})
        assert [b"ZREMRANGEBYSCORE", f"asgi{channel}".encode()] in [one[:2] for one in monitor.commands()]
    assert world.servers[2].client.zrange(f"asgi{channel}", 0, -1) == [b"old"], "it still counts for capacity"


async def test_over_capacity_in_a_group_is_one_line_at_info(world: World, caplog: pytest.LogCaptureFixture) -> None:
    django = await world.django(world.options(capacity=1))
    for name in ("p.c!x", "p.c!y", "worker"):
        await django.group_add("g", name)
    await django.group_send("g", {"type": "m"})
    await django.receive("worker")
    with caplog.at_level(logging.INFO, "channels_redis.core"):
        await django.group_send("g", {"type": "m"})
    assert [record.getMessage() for record in caplog.records] == ["1 of 3 channels over capacity in group g"]


async def test_a_group_without_members_takes_what_is_no_map(world: World) -> None:
    django = await world.django()
    await django.group_send("g", 5)
    await django.group_add("g", "worker")
    with pytest.raises(LayerError):
        await django.group_send("g", 5)


async def test_a_message_without_its_channel_is_lost_to_a_process(world: World) -> None:
    django = await world.django()
    channel = await django.new_channel()
    put(world.redis, "asgi" + channel.split("!")[0] + "!", b"\x81\xa1a\x01")
    assert await django.receive(channel, 0.3) is None
    assert world.redis.keys() == []


async def test_what_a_channel_nobody_reads_piles_up_drops_its_oldest(world: World) -> None:
    django = await world.django(world.options(capacity=2))
    idle, read = await django.new_channel(), await django.new_channel()
    for number in range(5):
        await django.group_add("g", idle)
        await django.group_add("g", read)
        await django.group_send("g", {"n": number})
        assert await django.receive(read) == {"n": number}
    assert [await django.receive(idle), await django.receive(idle)] == [{"n": 3}, {"n": 4}]
    assert await django.receive(idle, 0.2) is None


@pytest.mark.parametrize("name", ["a!é", "٣", "a\n", "a!b\n"])
async def test_names_beyond_ascii_pass(world: World, name: str) -> None:
    await (await world.django()).send(name, {"type": "m"})


async def test_integer_keys_are_written_but_not_read(world: World) -> None:
    django = await world.django()
    await django.send("worker", {1: 2})
    with pytest.raises(LayerError, match="int is not allowed for map key when strict_map_key=True"):
        await django.receive("worker")


async def test_json_writes_what_json_does_not_have(world: World) -> None:
    django = await world.django(world.options(serializer="json"))
    await django.send("worker", {"n": [float("nan"), float("inf")], 1: 2})
    ((member, _),) = world.redis.zpopmin("asgiworker")
    assert member[12:] == b'{"n": [NaN, Infinity], "1": 2}'


async def test_the_group_set_and_the_key_names_are_not_encrypted(world: World) -> None:
    django = await world.django(world.options(keys=["k"]))
    await django.group_add("g", "worker")
    await django.group_send("g", {"type": "m"})
    assert sorted(world.redis.keys()) == [b"asgi:group:g", b"asgiworker"]
    assert world.redis.zrange("asgi:group:g", 0, -1) == [b"worker"]
    assert world.redis.zrange("asgiworker", 0, -1)[0][12:].startswith(b"gAAAA")
