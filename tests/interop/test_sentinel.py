"""Sentinel: both layers find the master, and follow it when another becomes it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from parties.deadline import eventually
from parties.options import Options
from parties.peer import LayerError, Peer
from parties.sentinel import Fleet
from parties.world import Subject, World


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A master, its replica and a Sentinel."""
    fleet = Fleet(tmp_path)
    fleet.start()
    yield fleet
    fleet.stop()


async def exchange(peer: Peer, other: Peer) -> bool:
    """Whether a group message of each reaches both; by fresh channels, since Python forgets one that timed out."""
    try:
        channel, elsewhere = await peer.new_channel(), await other.new_channel()
        await peer.group_add("g", channel)
        await other.group_add("g", elsewhere)
        for sender in (peer, other):
            await sender.group_send("g", {"by": sender is peer})
            for reader, name in ((peer, channel), (other, elsewhere)):
                while (found := await reader.receive(name, 1)) != {"by": sender is peer}:
                    if found is None:
                        return False
        await peer.group_discard("g", channel)
        await other.group_discard("g", elsewhere)
    except LayerError as error:
        assert error.code == "Other", error
        return False
    return True


@pytest.mark.timeout(90)
@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_both_sides_follow_a_new_master(fleet: Fleet, subject: Subject, tmp_path: Path, layer: str) -> None:
    await eventually(fleet.is_ready, 20, "the replica follows and the Sentinel knows it")
    world = World(subject, [], tmp_path)
    options = Options(layer=layer, hosts=[fleet.host()])  # type: ignore[arg-type]
    try:
        tested, django = await world.subject(options), await world.django(options)
        assert await exchange(tested, django)
        fleet.master.stop()
        await eventually(fleet.has_failed_over, 25, "the replica becomes the master")
        await eventually(lambda: exchange(tested, django), 30, "messages pass again")
    finally:
        await world.close()


@pytest.mark.moorline
@pytest.mark.timeout(90)
async def test_a_waiting_receive_survives_a_planned_failover(fleet: Fleet, subject: Subject, tmp_path: Path) -> None:
    """The old master lives on as a replica: whoever keeps its connection is deaf."""
    await eventually(fleet.is_ready, 20)
    world = World(subject, [], tmp_path)
    options = Options(hosts=[fleet.host()])
    try:
        tested = await world.subject(options)
        channel = await tested.new_channel()
        await tested.group_add("g", channel)
        waiting = asyncio.ensure_future(tested.receive(channel, 50))
        fleet.sentinel.client.execute_command("SENTINEL", "FAILOVER", "moorings")
        await eventually(fleet.has_failed_over, 25)
        await eventually(lambda: fleet.master.client.info("replication")["role"] == "slave", 25)
        django = await world.django(options)

        async def arrived() -> bool:
            await django.group_send("g", {"type": "m"})
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            return bool(done)

        await eventually(arrived, 25, "the waiting receive hears the new master")
        assert await waiting == {"type": "m"}
    finally:
        await world.close()
