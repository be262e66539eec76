"""Groups: who is a member, who gets a message, in which order, and how it lies in Redis."""

import asyncio

import msgpack
import pytest

from parties.peer import drain
from parties.world import DIRECTIONS, Direction, World

LAYERS = ["core", "pubsub"]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
async def test_each_member_of_each_process_gets_a_group_message_once(
    world: World, layer: str, direction: Direction
) -> None:
    options = world.options(layer=layer)
    sender, receiver = await world.pair(direction, options)
    third = await world.django(options)
    members = [(receiver, await receiver.new_channel()) for _ in range(5)]
    members += [(third, await third.new_channel()), (sender, await sender.new_channel())]
    for peer, channel in members:
        await peer.group_add("room.1", channel)
    stranger = await receiver.new_channel()
    for number in range(3):
        await sender.group_send("room.1", {"type": "m", "n": number})
    for peer, channel in members:
        got = [await peer.receive(channel) for _ in range(3)]
        assert got == [{"type": "m", "n": number} for number in range(3)]
    assert await receiver.receive(stranger, 0.2) is None
    assert await receiver.receive(members[0][1], 0.2) is None


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
async def test_who_left_a_group_gets_nothing_more(world: World, layer: str, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options(layer=layer))
    stays, goes = await receiver.new_channel(), await receiver.new_channel()
    for channel in (stays, goes, goes):
        await receiver.group_add("g", channel)
    await receiver.group_discard("g", goes)
    await receiver.group_discard("g", goes)
    await receiver.group_discard("never", goes)
    await sender.group_send("g", {"type": "m"})
    assert await receiver.receive(stays) == {"type": "m"}
    assert await receiver.receive(goes, 0.2) is None


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
async def test_groups_and_prefixes_do_not_mix(world: World, layer: str, direction: Direction) -> None:
    ours, theirs = world.options(layer=layer, prefix="my app:é"), world.options(layer=layer, prefix="my app:")
    sender, receiver = await world.pair(direction, ours)
    other = await world.django(theirs)
    channel, elsewhere = await receiver.new_channel(), await other.new_channel()
    await receiver.group_add("g", channel)
    await other.group_add("g", elsewhere)
    await sender.group_send("g", {"type": "m"})
    await sender.group_send("h", {"type": "no"})
    assert await receiver.receive(channel) == {"type": "m"}
    assert await receiver.receive(channel, 0.1) is None
    assert await other.receive(elsewhere, 0.1) is None


async def test_any_process_may_add_a_channel_to_a_core_group_and_remove_it(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    of_subject, of_django = await subject.new_channel(), await django.new_channel()
    await subject.group_add("g", of_django)
    await django.group_add("g", of_subject)
    await django.group_send("g", {"type": "m"})
    assert await subject.receive(of_subject) == await django.receive(of_django) == {"type": "m"}
    await subject.group_discard("g", of_django)
    await django.group_discard("g", of_subject)
    assert world.redis.exists("asgi:group:g") == 0


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_a_worker_on_a_named_channel_may_be_in_a_group(world: World, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options())
    await sender.group_add("workers", "resize.images")
    await sender.group_send("workers", {"type": "m"})
    assert await receiver.receive("resize.images") == {"type": "m"}


async def test_pubsub_groups_take_only_channels_of_their_own_process(world: World) -> None:
    options = world.options(layer="pubsub")
    subject, django = await world.subject(options), await world.django(options)
    for peer, other in ((subject, django), (django, subject)):
        with pytest.raises(Exception, match="NotInProcess"):
            await peer.group_add("g", await other.new_channel())


async def test_a_group_message_lies_in_redis_once_a_process_with_the_names_of_all_members(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    channels = [await django.new_channel() for _ in range(3)]
    for channel in reversed(channels):
        await django.group_add("g", channel)
    for sender in (subject, django):
        await sender.group_send("g", {"type": "m", "__asgi_channel__": 1, "last": 2})
        (member,) = world.redis.zrange("asgi" + channels[0].split("!")[0] + "!", 0, -1)
        decoded = msgpack.unpackb(member[12:])
        assert decoded == {"type": "m", "__asgi_channel__": channels[::-1], "last": 2}
        assert list(decoded) == ["type", "__asgi_channel__", "last"]
        assert [await django.receive(channel) for channel in channels] == [{"type": "m", "last": 2}] * 3


async def test_a_named_member_gets_an_array_of_one(world: World) -> None:
    for sender in (await world.subject(), await world.django()):
        await sender.group_add("g", "worker")
        await sender.group_send("g", {"type": "m"})
        ((member, _),) = world.redis.zpopmin("asgiworker")
        assert msgpack.unpackb(member[12:]) == {"type": "m", "__asgi_channel__": ["worker"]}


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_one_senders_messages_keep_their_order(world: World, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options(capacity=1000))
    channel = await receiver.new_channel()
    await receiver.group_add("g", channel)
    for number in range(100):
        await (sender.group_send("g", {"n": number}) if number % 2 else sender.send(channel, {"n": number}))
    assert [message["n"] for message in await drain(receiver, channel)] == list(range(100))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
async def test_many_waiting_receivers_of_one_process_each_get_their_own(
    world: World, layer: str, direction: Direction
) -> None:
    sender, receiver = await world.pair(direction, world.options(layer=layer))
    channels = [await receiver.new_channel() for _ in range(30)]
    waiting = [asyncio.ensure_future(receiver.receive(channel)) for channel in channels]
    await asyncio.gather(*[sender.send(channel, {"to": channel}) for channel in channels])
    assert await asyncio.gather(*waiting) == [{"to": channel} for channel in channels]


async def test_equal_messages_sent_at_once_all_arrive(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    for sender, receiver in ((subject, django), (django, subject)):
        await asyncio.gather(*[sender.send("worker", {"same": 1}) for _ in range(20)])
        assert world.redis.zcard("asgiworker") == 20
        for _ in range(20):
            assert await receiver.receive("worker") == {"same": 1}


async def test_an_empty_group_takes_a_message_without_an_error(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        await peer.group_send("nobody", {"type": "m"})
    assert world.redis.keys() == []
