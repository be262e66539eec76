"""Encryption on, rotated, wrong and old, in both directions over both Redis layers."""

import pytest

from parties.planting import fernet, put, receive_past_errors, token
from parties.world import DIRECTIONS, Direction, World

LAYERS = ["core", "pubsub"]
MESSAGE = {"type": "secret", "text": "héllo"}


async def arrives(world: World, direction: Direction, layer: str, sent: list[str] | None, read: list[str] | None) -> bool:
    """Whether a message by a sender with some keys reaches a receiver with others."""
    theirs = world.options(layer=layer, keys=read)
    ours = world.options(layer=layer, keys=sent)
    of_subject, of_django = (ours, theirs) if direction == "to_django" else (theirs, ours)
    subject, django = await world.subject(of_subject), await world.django(of_django)
    sender, receiver = (subject, django) if direction == "to_django" else (django, subject)
    channel = await receiver.new_channel()
    await sender.send(channel, MESSAGE)
    found = await receive_past_errors(receiver, channel, 0.7)
    assert found in (None, MESSAGE)
    return found is not None


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "sent,read",
    [
        (["k"], ["k"]),
        (["clé", "old"], ["clé"]),
        (["old"], ["new", "old"]),
        (["new", "old"], ["other", "old", "new"]),
        (["x" * 1000], ["x" * 1000]),
        ([""], [""]),
        ([], None),
    ],
    ids=["same", "not ascii", "receiver rotated first", "third key", "long", "empty key", "empty list"],
)
async def test_a_receiver_that_knows_the_senders_first_key_reads(
    world: World, layer: str, direction: Direction, sent: list[str], read: list[str] | None
) -> None:
    assert await arrives(world, direction, layer, sent, read)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "sent,read",
    [(["new", "old"], ["old"]), (["a"], ["b"]), (None, ["k"]), (["k"], None)],
    ids=["sender rotated first", "other key", "plain to encrypted", "encrypted to plain"],
)
async def test_a_receiver_that_does_not_know_it_reads_nothing(
    world: World, layer: str, direction: Direction, sent: list[str] | None, read: list[str] | None
) -> None:
    assert not await arrives(world, direction, layer, sent, read)


async def test_what_lies_in_redis_is_encrypted_with_the_first_key(world: World) -> None:
    options = world.options(keys=["first", "second"])
    for sender in (await world.subject(options), await world.django(options)):
        await sender.send("worker", MESSAGE)
        ((member, _),) = world.redis.zpopmin("asgiworker")
        assert b"secret" not in member
        assert fernet("first").decrypt(member[12:])


@pytest.mark.parametrize("side", ["subject", "django"])
@pytest.mark.parametrize(
    "age,is_read", [(0, True), (18, True), (22, False), (-55, True), (-65, False), (1e6, False)]
)
async def test_a_core_token_is_read_until_ten_seconds_after_expiry_and_a_minute_before_its_time(
    world: World, side: str, age: float, is_read: bool
) -> None:
    peer = await getattr(world, side)(world.options(keys=["k"], expiry=10))
    put(world.redis, "asgiworker", token("k", MESSAGE, age))
    put(world.redis, "asgiworker", token("k", {"type": "next"}))
    expected = MESSAGE if is_read else {"type": "next"}
    assert await receive_past_errors(peer, "worker") == expected


@pytest.mark.parametrize("side", ["subject", "django"])
async def test_a_pubsub_token_is_read_at_any_age(world: World, side: str) -> None:
    peer = await getattr(world, side)(world.options(layer="pubsub", keys=["k"], expiry=10))
    channel = await peer.new_channel()
    for age in (1e6, -1e6):
        world.redis.publish(channel, token("k", MESSAGE, age))
        assert await peer.receive(channel) == MESSAGE


@pytest.mark.better
@pytest.mark.parametrize("keys", [None, ["k"]], ids=["plain", "encrypted"])
async def test_the_reader_never_sees_what_cannot_be_read(world: World, keys: list[str] | None) -> None:
    subject = await world.subject(world.options(keys=keys))
    for body in (b"", b"\xc1", token("another", MESSAGE), b"gAAAA", token("k", MESSAGE)[:-4]):
        put(world.redis, "asgiworker", body)
    django = await world.django(world.options(keys=keys))
    await django.send("worker", MESSAGE)
    assert await subject.receive("worker") == MESSAGE
