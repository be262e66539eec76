"""Faults of Redis: restart, cut connections, a frozen server, a changed password, no memory.

The subject must come back by itself and be deaf to nothing. Each test first shows that its fault bit.
"""

import asyncio
import os
import signal
from typing import Any

import pytest

from parties.deadline import eventually
from parties.peer import LayerError, Peer
from parties.world import World

LAYERS = ["core", "pubsub"]


async def sends_again(peer: Peer, group: str, message: Any, within: float = 15) -> None:
    """Until a send succeeds; in between it may be refused."""

    async def sent() -> bool:
        try:
            await peer.group_send(group, message)
        except LayerError as error:
            assert error.code == "Other", error
            return False
        return True

    await eventually(sent, within, "a send succeeds again")


async def hears(world: World, subject: Peer, channel: str, within: float = 15) -> None:
    """A fresh Django process reaches the subject, which is not asked to do anything for it."""
    django = await world.django(world.options(layer=_layer(subject)))

    async def heard() -> None:
        while (await receive_again(subject, channel, within) or {}).get("type") != "are.you.there":
            pass

    hearing = asyncio.ensure_future(heard())

    async def arrived() -> bool:
        await sends_again(django, "g", {"type": "are.you.there"})
        done, _ = await asyncio.wait([hearing], timeout=0.2)
        return bool(done)

    await eventually(arrived, within, "the subject hears its group again")
    await hearing


def _layer(subject: Any) -> str:
    layer: str = subject.options_layer
    return layer


async def member(world: World, layer: str) -> tuple[Any, str]:
    """A subject with a channel in group `g` that has received something."""
    subject: Any = await world.subject(world.options(layer=layer, expiry=30))
    subject.options_layer = layer
    channel = await subject.new_channel()
    await subject.group_add("g", channel)
    await subject.group_send("g", {"type": "first"})
    assert await subject.receive(channel) == {"type": "first"}
    return subject, channel


@pytest.mark.better
async def test_after_a_restart_of_redis_a_core_member_is_in_its_groups_again(own_world: World) -> None:
    """Everything in Redis is gone, so the original's memberships are gone too."""
    (server,) = own_world.servers
    subject, channel = await member(own_world, "core")
    waiting = asyncio.ensure_future(subject.receive(channel, 20))
    before = server.client.info("server")["run_id"]
    server.stop()
    server.start()
    assert server.client.info("server")["run_id"] != before, "the fault did not bite"
    await eventually(lambda: server.client.exists("asgi:group:g"), 15, "the membership is restored")
    django = await own_world.django()
    await django.group_send("g", {"type": "m"})
    assert await waiting == {"type": "m"}


async def test_after_a_restart_of_redis_a_pubsub_member_hears_its_groups_again(own_world: World) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, "pubsub")
    server.stop()
    server.start()
    await hears(own_world, subject, channel)
    await hears(own_world, subject, channel)


@pytest.mark.parametrize("layer", [pytest.param("core", marks=pytest.mark.better), "pubsub"])
async def test_a_receive_that_waits_survives_a_longer_outage(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, layer)
    waiting = asyncio.ensure_future(subject.receive(channel, 20))
    server.stop()
    with pytest.raises(LayerError) as caught:
        await asyncio.wait_for(subject.group_send("g", {"type": "lost"}), 20)
    assert caught.value.code == "Other"
    assert not waiting.done(), "a reader must wait through an outage"
    server.start()

    await sends_until_heard(subject, waiting)
    assert await waiting == {"type": "again"}


@pytest.mark.parametrize("layer", LAYERS)
async def test_cut_connections_are_replaced(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, layer)
    for _ in range(3):
        await subject.group_send("g", {"type": "m"})
        assert server.cut_all() > 0, "the fault did not bite"
        await sends_again(subject, "g", {"type": "m"})
        await hears(own_world, subject, channel)


async def sends_until_heard(peer: Peer, waiting: asyncio.Future[Any]) -> None:
    """Again and again: what is published before a subscription is back is lost, as Redis has it."""

    async def heard() -> bool:
        await sends_again(peer, "g", {"type": "again"})
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        return bool(done)

    await eventually(heard, 20, "the waiting receive is answered")


async def receive_again(peer: Peer, channel: str, timeout: float) -> Any:
    """Python's receive raises when its connection breaks; then it is asked again."""
    try:
        return await peer.receive(channel, timeout)
    except LayerError as error:
        assert error.code == "Other", error
        return None


@pytest.mark.better
async def test_a_receive_that_waits_survives_the_cutting_of_its_connection(own_world: World) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, "core")
    waiting = asyncio.ensure_future(subject.receive(channel, 15))
    await eventually(lambda: any(one["cmd"].startswith("b") for one in server.others()), told="it blocks")
    for _ in range(3):
        assert server.cut_all() > 0, "the fault did not bite"
        await eventually(lambda: any(one["cmd"].startswith("b") for one in server.others()), told="it blocks again")
    django = await own_world.django()
    await django.send(channel, {"type": "m"})
    assert await waiting == {"type": "m"}


async def test_a_pubsub_subscription_is_back_soon_after_a_cut(own_world: World) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, "pubsub")
    names = (channel, "asgi__group__g")
    for _ in range(3):
        assert server.cut_all() > 0, "the fault did not bite"
        await eventually(
            lambda: all(count == 1 for _, count in server.client.pubsub_numsub(*names)), 0.9, "resubscribed"
        )
        server.client.publish(channel, b"\x81\xa4type\xa1m")
        assert await subject.receive(channel) == {"type": "m"}


@pytest.mark.parametrize("layer", LAYERS)
async def test_a_frozen_redis_only_delays(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, layer)
    waiting = asyncio.ensure_future(subject.receive(channel, 20))
    process = server._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        sending = asyncio.ensure_future(subject.group_send("g", {"type": "slow"}))
        done, _ = await asyncio.wait([sending], timeout=1)
        assert not done, "the fault did not bite"
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await asyncio.wait_for(sending, 10)
    assert await waiting == {"type": "slow"}


@pytest.mark.moorline
@pytest.mark.parametrize("layer", LAYERS)
async def test_a_changed_password_is_told_as_such_and_healed_by_changing_it_back(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    old = server.password
    assert old is not None
    subject, channel = await member(own_world, layer)
    waiting = asyncio.ensure_future(subject.receive(channel, 40))
    server.client.config_set("requirepass", "another one")
    assert server.cut_all() > 0
    await eventually(lambda: "WRONGPASS" in subject.log(), 15, "the log says WRONGPASS")
    with pytest.raises(LayerError) as caught:
        await subject.group_send("g", {"type": "no"})
    assert caught.value.code == "Other" and "WRONGPASS" in caught.value.detail
    server.client.config_set("requirepass", old)
    await sends_until_heard(subject, waiting)
    assert await waiting == {"type": "again"}
    for secret in (old, "s3cret", "pass%2Fword"):
        assert secret not in subject.log() + caught.value.detail, "a password is in the log"


@pytest.mark.moorline
@pytest.mark.parametrize("layer", LAYERS)
async def test_a_missing_password_is_told_as_such(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    options = own_world.options(layer=layer).but(hosts=[f"redis://127.0.0.1:{server.port}/0"])
    with pytest.raises(LayerError) as caught:
        subject = await own_world.subject(options)
        await asyncio.wait_for(subject.group_send("g", {"type": "m"}), 15)
    assert "NOAUTH" in caught.value.detail


@pytest.mark.parametrize("layer", LAYERS)
async def test_a_redis_that_is_not_there_is_an_error_and_not_a_hang(own_world: World, layer: str) -> None:
    (server,) = own_world.servers
    server.stop()
    with pytest.raises(LayerError) as caught:
        subject = await own_world.subject(own_world.options(layer=layer))
        await asyncio.wait_for(subject.group_send("g", {"type": "m"}), 15)
    assert caught.value.code == "Other"


async def test_no_memory_is_an_error_of_the_send_and_passes(own_world: World) -> None:
    (server,) = own_world.servers
    subject, channel = await member(own_world, "core")
    server.client.config_set("maxmemory", "1")
    for request in (
        lambda: subject.send("worker", {"type": "m"}),
        lambda: subject.group_send("g", {"type": "m"}),
        lambda: subject.group_add("h", channel),
    ):
        with pytest.raises(LayerError) as caught:
            await request()
        assert caught.value.code == "Other"
    server.client.config_set("maxmemory", "0")
    await subject.group_send("g", {"type": "after"})
    assert (await receive_eventually(subject, channel))["type"] == "after"


async def receive_eventually(peer: Peer, channel: str) -> Any:
    """The next message, past the errors that Python raises."""
    return await eventually(lambda: receive_again(peer, channel, 1), 15)


@pytest.mark.better
async def test_no_message_is_lost_when_redis_has_no_memory(own_world: World) -> None:
    """The original takes a message out and then cannot write its backup."""
    (server,) = own_world.servers
    subject, channel = await member(own_world, "core")
    django = await own_world.django()
    for number in range(5):
        await django.send(channel, {"n": number})
    server.client.config_set("maxmemory", "1")
    early = []
    for _ in range(2):
        if message := await receive_again(subject, channel, 1):
            early.append(message["n"])
    server.client.config_set("maxmemory", "0")
    while len(early) < 5:
        early.append((await receive_eventually(subject, channel))["n"])
    assert early == list(range(5))
