"""The exact commands of the core layer, in order."""

import asyncio
import re
import time

import msgpack

from parties.deadline import eventually
from parties.monitor import Monitor
from parties.world import World

CLEANUP = b"local backed_up = redis.call('ZRANGE', ARGV[2], 0, -1, 'WITHSCORES')"


async def test_send(world: World) -> None:
    django = await world.django(world.options(expiry=30))
    with Monitor(world.servers[0]) as monitor:
        now = time.time()
        await django.send("specific.c!x", {"type": "m"})
        prune, count, add, expire = monitor.commands()
    key = b"asgispecific.c!"
    assert prune[:3] == [b"ZREMRANGEBYSCORE", key, b"0"]
    assert prune[3].isdigit() and abs(int(prune[3]) - (int(now) - 30)) <= 1
    assert count == [b"ZCOUNT", key, b"-inf", b"+inf"]
    assert add[:2] == [b"ZADD", key] and abs(float(add[2]) - now) < 5 and repr(float(add[2])).encode() == add[2]
    assert msgpack.unpackb(add[3][12:]) == {"type": "m", "__asgi_channel__": "specific.c!x"}
    assert expire == [b"EXPIRE", key, b"30"]


async def test_a_fractional_expiry_is_cut_by_send_and_breaks_group_send(world: World) -> None:
    django = await world.django(world.options(expiry=30.7))
    await django.send("worker", {"type": "m"})
    assert world.redis.ttl("asgiworker") in (29, 30)
    await django.group_add("g", "worker")
    try:
        await django.group_send("g", {"type": "m"})
    except Exception as error:
        assert "value is not an integer or out of range" in str(error)
    else:
        raise AssertionError("group_send took a fractional expiry")


async def test_a_full_channel_is_told_after_the_count_and_nothing_is_written(world: World) -> None:
    django = await world.django(world.options(capacity=0))
    with Monitor(world.servers[0]) as monitor:
        try:
            await django.layer.send("worker", {"type": "m"})
        except Exception as error:
            assert type(error).__name__ == "ChannelFull" and error.args == ()
        assert [command[0] for command in monitor.commands()] == [b"ZREMRANGEBYSCORE", b"ZCOUNT"]


async def test_groups(world: World) -> None:
    django = await world.django(world.options(group_expiry=500))
    with Monitor(world.servers[0]) as monitor:
        await django.group_add("g", "specific.c!x")
        await django.group_discard("g", "specific.c!x")
        await django.group_send("g", {"type": "m"})
        add, expire, remove, prune, members = monitor.commands()
    assert add[:2] == [b"ZADD", b"asgi:group:g"] and add[3] == b"specific.c!x"
    assert expire == [b"EXPIRE", b"asgi:group:g", b"500"]
    assert remove == [b"ZREM", b"asgi:group:g", b"specific.c!x"]
    assert prune[:3] == [b"ZREMRANGEBYSCORE", b"asgi:group:g", b"0"]
    assert abs(int(prune[3]) - (int(time.time()) - 500)) <= 1
    assert members == [b"ZRANGE", b"asgi:group:g", b"0", b"-1"]


async def test_group_send(world: World) -> None:
    options = world.options(expiry=30, capacity=7, channel_capacity=[("worker", 3)])
    django = await world.django(options)
    for name in ("specific.c!x", "worker", "specific.c!y"):
        await django.group_add("g", name)
    with Monitor(world.servers[0]) as monitor:
        await django.group_send("g", {"type": "m"})
        found = monitor.commands()
    assert [command[0] for command in found] == [
        b"ZREMRANGEBYSCORE", b"ZRANGE", b"MULTI", b"ZREMRANGEBYSCORE", b"ZREMRANGEBYSCORE", b"EXEC", b"EVAL",
    ]
    assert [command[1] for command in found[3:5]] == [b"asgispecific.c!", b"asgiworker"]
    script, keys, first, second, *messages, one, two, now, expiry = found[-1][1:]
    assert re.search(rb"ZCOUNT.*ZADD.*EXPIRE.*over_capacity", script, re.DOTALL)
    assert (keys, first, second) == (b"2", b"asgispecific.c!", b"asgiworker")
    assert [msgpack.unpackb(message[12:])["__asgi_channel__"] for message in messages] == [
        ["specific.c!x", "specific.c!y"], ["worker"],
    ]
    assert (one, two, expiry) == (b"7", b"3", b"30")
    assert abs(float(now) - time.time()) < 5
    assert world.redis.zscore("asgiworker", messages[1]) == float(now)


async def test_receive(world: World) -> None:
    django = await world.django()
    await django.send("worker", {"type": "m"})
    with Monitor(world.servers[0]) as monitor:
        await django.receive("worker")
        await eventually(lambda: not world.redis.exists("asgiworker$inflight"))
        found = [one for one in monitor.commands() if one[0] != b"EXISTS"]
    cleanup, pop, back_up, prune = found
    assert cleanup[0] == b"EVAL" and CLEANUP in cleanup[1]
    assert cleanup[2:] == [b"0", b"asgiworker", b"asgiworker$inflight"]
    assert pop == [b"BZPOPMIN", b"asgiworker", b"5"]
    assert back_up[:2] == [b"ZADD", b"asgiworker$inflight"]
    assert prune == [b"ZPOPMIN", b"asgiworker$inflight"]


async def test_a_specific_channel_is_received_by_its_processs_queue(world: World) -> None:
    django = await world.django()
    channel = await django.new_channel()
    await django.send(channel, {"type": "m"})
    with Monitor(world.servers[0]) as monitor:
        await django.receive(channel)
        pops = [one for one in monitor.commands() if one[0] == b"BZPOPMIN"]
    assert pops == [[b"BZPOPMIN", b"asgi" + channel.split("!")[0].encode() + b"!", b"5"]]


async def test_an_idle_receive_asks_again_after_five_seconds(world: World) -> None:
    django = await world.django()
    with Monitor(world.servers[0]) as monitor:
        waiting = asyncio.ensure_future(django.receive("worker", 8))
        await asyncio.wait([waiting], timeout=5.5)
        pops = [one for one in monitor.commands() if one[0] == b"BZPOPMIN"]
    assert len(pops) == 2
    await django.send("worker", {"type": "m"})
    assert await waiting == {"type": "m"}


async def test_what_was_recovered_has_no_time_to_live(world: World) -> None:
    django = await world.django()
    world.redis.zadd("asgiworker$inflight", {bytes(12) + b"\x80": 5, bytes(12) + b"\x81\xa1a\x01": 6})
    assert await django.receive("worker") == {}
    assert world.redis.pttl("asgiworker") == -1
    assert world.redis.zrange("asgiworker", 0, -1, withscores=True) == [(bytes(12) + b"\x81\xa1a\x01", 6.0)]


async def test_flush_takes_its_prefix_for_a_pattern(world: World) -> None:
    django = await world.django(world.options(prefix="a?b"))
    for key in ("a?b1", "axb:1", "ab", "asgi"):
        world.redis.set(key, 1)
    with Monitor(world.servers[0]) as monitor:
        await django.layer.flush()
        (flush,) = monitor.commands()
    assert flush[0] == b"EVAL" and flush[2:] == [b"0", b"a?b*"]
    assert sorted(world.redis.keys()) == [b"ab", b"asgi"]
