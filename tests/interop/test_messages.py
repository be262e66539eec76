"""Every kind of value arrives as it was sent, in both directions, over both Redis layers."""

import math
from typing import Any

import pytest

from parties.world import DIRECTIONS, Direction, World


def nested(depth: int) -> Any:
    """Maps and lists inside each other."""
    value: Any = "bottom"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


VALUES: dict[str, Any] = {
    "small ints": [0, 1, -1, 127, 128, -32, -33, 255, 256, -128, -129],
    "ints at every edge": [
        sign * (1 << bits) + off
        for bits in (7, 8, 15, 16, 31, 32, 53)
        for sign in (1, -1)
        for off in (-1, 0, 1)
    ],
    "largest and smallest ints": [2**63 - 1, 2**63, 2**64 - 1, -(2**63)],
    "floats": [0.1, -0.5, 3.0, -3.0, 0.0, 1e300, 5e-324, 1.7976931348623157e308, 2.0**53, 1e16, 1e22],
    "minus zero": -0.0,
    "float as large as an int": 2.0**64,
    "nothing and truth": [None, True, False],
    "empty things": ["", [], {}, [[]], {"": {}}],
    "text": "héllo ✓ 😀 \x00 \x7f \u2028 \ufeff \"quoted\" \\ /\n\t",
    "text of every length class": ["x" * n for n in (31, 32, 255, 256, 65535, 65536)],
    "lists of every length class": [[0] * n for n in (15, 16, 65535, 65536)],
    "maps of every length class": [{str(k): k for k in range(n)} for n in (15, 16, 300)],
    "order of maps": {"z": 1, "a": 2, "10": 3, "9": 4, "": 5, "é": 6},
    "deep nesting": nested(40),
    "mixed": {"list": [1, "a", None, {"k": [1.5, {}]}], "user": {"id": 7, "name": "Zoë"}},
}
BINARY: dict[str, Any] = {
    "bytes": b"\x00\xff\xfe binary",
    "empty bytes": b"",
    "bytes of every length class": [bytes(n) for n in (255, 256, 65535, 65536)],
    "bytes beside equal text": [b"abc", "abc"],
    "bytes that look like the mark": {"bytes": b"\x01", "$": "x"},
}


def same(left: Any, right: Any) -> bool:
    """Equal, also in type and in the order of maps, with -0.0 unlike 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


async def carried(world: World, direction: Direction, values: dict[str, Any], **options: Any) -> None:
    """Sends each value directly and to a group, and compares."""
    sender, receiver = await world.pair(direction, world.options(capacity=1000, **options))
    channel = await receiver.new_channel()
    await receiver.group_add("readers", channel)
    for name, value in values.items():
        message = {"type": "test.value", "name": name, "value": value}
        await sender.send(channel, message)
        assert same(await receiver.receive(channel, 10), message), f"direct: {name}"
        await sender.group_send("readers", message)
        assert same(await receiver.receive(channel, 10), message), f"to a group: {name}"


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_every_value_arrives_as_it_was_sent_by_msgpack(
    world: World, layer: str, direction: Direction
) -> None:
    await carried(world, direction, VALUES | BINARY, layer=layer)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_every_value_but_bytes_arrives_as_it_was_sent_by_json(
    world: World, layer: str, direction: Direction
) -> None:
    await carried(world, direction, VALUES, layer=layer, serializer="json")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", ["core", "pubsub"])
@pytest.mark.parametrize("keys", [None, ["k"]], ids=["plain", "encrypted"])
async def test_messages_megabytes_long_arrive_whole(
    world: World, layer: str, direction: Direction, keys: list[str] | None
) -> None:
    large = {"text": "long é " * 600_000, "blob": bytes(range(256)) * 8_000, "many": list(range(100_000))}
    await carried(world, direction, large, layer=layer, keys=keys)


async def test_a_message_with_an_empty_map_is_delivered(world: World) -> None:
    subject, django = await world.subject(), await world.django()
    await django.send("worker", {})
    assert await subject.receive("worker") == {}
    await subject.send("worker", {})
    assert await django.receive("worker") == {}


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
async def test_integers_beyond_msgpack_are_refused_as_the_original_does(world: World, value: int) -> None:
    for peer in (await world.subject(), await world.django()):
        with pytest.raises(Exception, match="InvalidMessage"):
            await peer.send("worker", {"type": "x", "n": value})
    assert world.redis.keys() == []


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_bytes_are_refused_by_json_as_the_original_does(world: World, layer: str) -> None:
    options = world.options(layer=layer, serializer="json")
    for peer in (await world.subject(options), await world.django(options)):
        with pytest.raises(Exception, match="InvalidMessage"):
            await peer.send("worker", {"type": "x", "b": b"\x00"})
        with pytest.raises(Exception, match="InvalidMessage"):
            channel = await peer.new_channel()
            await peer.group_add("g", channel)
            await peer.group_send("g", {"type": "x", "b": [b"\x00"]})


@pytest.mark.parametrize("message", [None, 5, "text", [1, 2], b"bytes"])
async def test_core_sends_only_maps(world: World, message: Any) -> None:
    for peer in (await world.subject(), await world.django()):
        with pytest.raises(Exception, match="InvalidMessage"):
            await peer.send("worker", message)


async def test_the_reserved_key_is_refused_by_send_and_replaced_by_group_send(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        channel = await peer.new_channel()
        await peer.group_add("g", channel)
        with pytest.raises(Exception, match="InvalidMessage"):
            await peer.send(channel, {"type": "x", "__asgi_channel__": "other"})
        await peer.group_send("g", {"__asgi_channel__": "other", "type": "x"})
        assert await peer.receive(channel) == {"type": "x"}
        await peer.group_discard("g", channel)
