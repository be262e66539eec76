"""Names: which are accepted, which refused, and what new_channel makes."""

import re

import pytest

from parties.peer import LayerError
from parties.world import World

GOOD_CHANNELS = ["a", "a" * 99, "A-Z_0.9", "...", "-", "a!", "a!b", "a.b!c-d.e_f", "a!" + "b" * 97]
BAD_CHANNELS = ["", "a" * 100, "a b", "a:b", "a/b", "a#b", "!a", "!", "a!b!c", "a!b c", "a$", "a\x00", "é", "a!b:", "a\t", "a@"]
GOOD_GROUPS = ["g", "g" * 99, "room.1", "room_1-2"]
BAD_GROUPS = ["", "g" * 100, "g!", "g!h", "room 1", "room:1", "é", "g\x00", "g/1"]

UNICODE = ["a!é", "٣", "a\n", "a!b\n"]
"""Python's patterns let these pass; we make ASCII names only."""


@pytest.mark.parametrize("name", GOOD_CHANNELS)
async def test_a_good_channel_name_is_taken(world: World, name: str) -> None:
    for peer in (await world.subject(), await world.django()):
        await peer.send(name, {"type": "m"})
        await peer.group_add("g", name)
        await peer.group_discard("g", name)
    non_local = name[: name.index("!") + 1] if "!" in name else name
    assert world.redis.zcard("asgi" + non_local) == 2


async def test_bad_channel_names_are_refused_by_every_request(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        for name in BAD_CHANNELS:
            for request in (
                lambda: peer.send(name, {"type": "m"}),
                lambda: peer.receive(name, 0.1),
                lambda: peer.group_add("g", name),
                lambda: peer.group_discard("g", name),
            ):
                with pytest.raises(LayerError) as caught:
                    await request()
                assert caught.value.code == "InvalidName", (name, caught.value)
    assert world.redis.keys() == []


async def test_bad_group_names_are_refused_by_every_request(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        for name in BAD_GROUPS:
            for request in (
                lambda: peer.group_add(name, "worker"),
                lambda: peer.group_discard(name, "worker"),
                lambda: peer.group_send(name, {"type": "m"}),
            ):
                with pytest.raises(LayerError) as caught:
                    await request()
                assert caught.value.code == "InvalidName", (name, caught.value)
    assert world.redis.keys() == []


@pytest.mark.parametrize("name", GOOD_GROUPS)
async def test_a_good_group_name_is_taken(world: World, name: str) -> None:
    for peer in (await world.subject(), await world.django()):
        await peer.group_add(name, "worker")
        await peer.group_send(name, {"type": "m"})
        assert world.redis.zrange(f"asgi:group:{name}", 0, -1) == [b"worker"]
        await peer.group_discard(name, "worker")


@pytest.mark.better
async def test_names_beyond_ascii_are_never_made_here(world: World) -> None:
    subject = await world.subject()
    for name in UNICODE:
        with pytest.raises(LayerError, match="InvalidName"):
            await subject.send(name, {"type": "m"})


async def test_a_member_of_a_group_may_have_any_name_that_python_takes(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        world.redis.flushall()
        world.redis.zadd("asgi:group:g", {name: 10**10 for name in UNICODE})
        await peer.group_send("g", {"type": "m"})
        assert sorted(world.redis.keys("asgi*")) == sorted(
            [b"asgi:group:g", b"asgia!", "asgi٣".encode(), b"asgia\n"]
        )


async def test_new_core_channels_look_like_the_originals(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        first, second = await peer.new_channel(), await peer.new_channel("chat.room")
        shape = r"specific\.([0-9a-f]{32})!([0-9a-f]{32})"
        match = re.fullmatch(shape, first)
        assert match and len(first) == 74
        other = re.fullmatch(shape.replace("specific", "chat.room"), second)
        assert other and other[1] == match[1] and other[2] != match[2]
        assert world.redis.keys() == []


async def test_new_pubsub_channels_look_like_the_originals(world: World) -> None:
    options = world.options(layer="pubsub", prefix="p é")
    for peer in (await world.subject(options), await world.django(options)):
        assert re.fullmatch("p éspecific\\.[0-9a-f]{32}", await peer.new_channel())
        assert re.fullmatch("p échat[0-9a-f]{32}", await peer.new_channel("chat"))


async def test_pubsub_refuses_no_name(world: World) -> None:
    options = world.options(layer="pubsub")
    subject, django = await world.subject(options), await world.django(options)
    for sender, receiver in ((subject, django), (django, subject)):
        channel = await receiver.new_channel("any thing: é/")
        await receiver.group_add("room 1/é:" + "x" * 500, channel)
        await sender.group_send("room 1/é:" + "x" * 500, {"type": "m"})
        assert await receiver.receive(channel) == {"type": "m"}
        await sender.send(channel, {"type": "n"})
        assert await receiver.receive(channel) == {"type": "n"}


async def test_the_channel_of_another_process_cannot_be_received(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    for peer, other in ((subject, django), (django, subject)):
        with pytest.raises(LayerError) as caught:
            await peer.receive(await other.new_channel(), 0.2)
        assert caught.value.code == "WrongClient"
        mine = await peer.new_channel()
        client = mine.split(".")[1].split("!")[0]
        await other.send(f"elsewhere.{client}!x", {"type": "m"})
        assert await peer.receive(f"elsewhere.{client}!x") == {"type": "m"}
