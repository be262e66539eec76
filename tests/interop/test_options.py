"""The matrix of options: every combination carries direct, group and worker messages both ways."""

from typing import Any

import pytest

from parties.deadline import eventually
from parties.peer import LayerError
from parties.world import DIRECTIONS, Direction, World


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("hosts", [1, 3])
@pytest.mark.parametrize("keys", [None, ["k"], ["new", "k"]], ids=["plain", "encrypted", "rotated"])
@pytest.mark.parametrize("serializer", ["msgpack", "json"])
@pytest.mark.parametrize("prefix", ["asgi", "my app:é"])
@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_messages_pass(
    world: World,
    layer: str,
    prefix: str,
    serializer: str,
    keys: list[str] | None,
    hosts: int,
    direction: Direction,
) -> None:
    options = world.options(hosts, layer=layer, prefix=prefix, serializer=serializer, keys=keys)
    sender, receiver = await world.pair(direction, options)
    channels = [await receiver.new_channel() for _ in range(4)]
    for number, channel in enumerate(channels):
        await receiver.group_add(f"room.{number}", channel)
        await receiver.group_add("all", channel)
    await sender.group_send("all", message := {"type": "all", "text": "é", "n": [1, 2.5, None]})
    for channel in channels:
        assert await receiver.receive(channel) == message
    for number, channel in enumerate(channels):
        await sender.group_send(f"room.{number}", {"n": number})
        assert await receiver.receive(channel) == {"n": number}
    if hosts == 1 or layer == "pubsub":  # The original loses direct sends over three core hosts: test_hosts.
        for number, channel in enumerate(channels):
            await sender.send(channel, {"direct": number})
            assert await receiver.receive(channel) == {"direct": number}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("length", [0, 1, 40])
async def test_the_random_prefix_may_have_any_length(world: World, length: int, direction: Direction) -> None:
    sender, receiver = await world.pair(direction, world.options(random_prefix_length=length))
    for _ in range(3):
        await sender.send("worker", {"same": 1})
        assert await receiver.receive("worker") == {"same": 1}
    await sender.send("worker", {"same": 1})
    await sender.send("worker", {"same": 1})
    (first, *more) = world.redis.zrange("asgiworker", 0, -1)
    assert first[length:] == bytes.fromhex("81a473616d6501")
    assert len(more) == (0 if length == 0 else 1) or length == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", ["core", "pubsub"])
@pytest.mark.parametrize(
    "form", ["pair", "address", "fields", "unix", "database in the path", "database in the query"]
)
async def test_every_form_of_host_that_django_takes(
    world: World, form: str, layer: str, direction: Direction
) -> None:
    server = world.servers[0]
    if form == "pair":
        server.client.config_set("requirepass", "")
    database = 3 if "database" in form else 0
    host: Any = {
        "pair": ["127.0.0.1", server.port],
        "address": {"address": server.url()},
        "fields": {"host": "127.0.0.1", "port": server.port, "password": server.password},
        "unix": f"unix://{server.url().split('//')[1].split('@')[0]}@{server.socket}",
        "database in the path": server.url(database=3),
        "database in the query": server.url(database=5) + "?db=3",
    }[form]
    try:
        options = world.options(layer=layer).but(hosts=[host])
        sender, receiver = await world.pair(direction, options)
        channel = await receiver.new_channel()
        await receiver.group_add("g", channel)
        await sender.group_send("g", {"type": "m"})
        assert await receiver.receive(channel) == {"type": "m"}
        if layer == "core":
            server.client.select(database)
            await eventually(lambda: server.client.keys() == [b"asgi:group:g"])
    finally:
        server.client.select(0)
        server.client.config_set("requirepass", server.password or "")


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_a_user_of_an_acl_with_just_the_rights_that_are_needed_will_do(world: World, layer: str) -> None:
    commands = (
        "+zadd +zrem +zrange +zcount +zremrangebyscore +zpopmin +bzpopmin +expire +del +eval +multi +exec "
        "+subscribe +unsubscribe +publish +pubsub|numsub"
    )
    world.redis.execute_command("ACL", "SETUSER", "mo@r", "on", ">p:w", "~asgi*", "&asgi*", *commands.split())
    try:
        port = world.servers[0].port
        options = world.options(layer=layer).but(hosts=[f"redis://mo%40r:p%3Aw@127.0.0.1:{port}/0"])
        subject, django = await world.subject(options), await world.django(options)
        for sender, receiver in ((subject, django), (django, subject)):
            channel = await receiver.new_channel()
            await receiver.group_add("g", channel)
            await sender.group_send("g", {"type": "m"})
            assert await receiver.receive(channel) == {"type": "m"}
            await receiver.group_discard("g", channel)
    finally:
        world.redis.execute_command("ACL", "DELUSER", "mo@r")


@pytest.mark.parametrize("host", ["h:6379", "http://127.0.0.1:1", "redis://127.0.0.1:notaport"])
async def test_a_host_that_cannot_be_meant_is_refused(world: World, host: str) -> None:
    with pytest.raises(LayerError):
        subject = await world.subject(world.options().but(hosts=[host]))
        await subject.send("worker", {"type": "m"})
