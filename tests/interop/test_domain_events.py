"""Domain events of the real server over Redis Pub/Sub, as any program subscribes to them."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from parties.deadline import eventually
from parties.redis_server import RedisServer
from parties.server import Server
from parties.world import World

pytestmark = pytest.mark.moorline

DOCUMENT = Path(__file__).parents[2] / "docs/events.md"


class Subscriber:
    """A program on the same Redis that subscribed to a pattern."""

    def __init__(self, pubsub: Any) -> None:
        self.pubsub = pubsub

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event, with the channel that it came on."""
        async with asyncio.timeout(20):
            while True:
                message = await self.pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is not None:
                    return message["channel"].decode(), json.loads(message["data"])

    async def has_nothing(self) -> bool:
        """Whether nothing comes for a moment."""
        return await self.pubsub.get_message(ignore_subscribe_messages=True, timeout=0.3) is None


@asynccontextmanager
async def subscribed(server: RedisServer, pattern: str) -> AsyncIterator[Subscriber]:
    """Subscribed when this is entered; on database 0, since Pub/Sub knows none."""
    client = redis.asyncio.Redis(host="127.0.0.1", port=server.port, password=server.password)
    async with client.pubsub() as pubsub:
        await pubsub.psubscribe(pattern)
        confirmed = await pubsub.get_message(timeout=5)
        assert confirmed is not None and confirmed["type"] == "psubscribe"
        yield Subscriber(pubsub)
    await client.aclose()


@pytest.fixture
async def server(own_world: World, tmp_path: Path) -> AsyncIterator[Server]:
    """A server without a channel layer that publishes on database 1."""
    url = own_world.servers[0].url(database=1)
    server = Server(tmp_path / "server", ["--events-url", url], {})
    yield server
    await server.stop()


async def is_connected(server: Server) -> None:
    await eventually(lambda: _up(server), 20, "the server reaches Redis")


async def _up(server: Server) -> bool:
    return (await server.metrics())["moorline_domain_events_up"] == 1


def examples() -> dict[str, list[dict[str, Any]]]:
    """The JSON that the documentation shows, by the event's name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for text in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        example = json.loads(text)
        found.setdefault(example["event"], []).append(example)
    return found


def shape(value: Any) -> Any:
    """Names and types, whatever the values are."""
    return {name: shape(item) for name, item in value.items()} if isinstance(value, dict) else type(value)


async def test_each_event_is_published_once_on_the_channel_of_its_name_as_documented(
    server: Server, own_world: World
) -> None:
    async with subscribed(own_world.servers[0], "moorline:*") as subscriber:
        await server.start()
        await is_connected(server)
        await server.room("ops", "ann", "bob")
        got = [await subscriber.next() for _ in range(3)]
        async with server.person("ann") as ann:
            got.append(await subscriber.next())
            await ann.say({"type": "send", "id": 1, "room": "ops", "cid": "c1", "body": "hé 𝄞"})
            first = await ann.next("ack")
            at = {"room": "ops", "message": first["message"]}
            reply = {"room": "ops", "body": "re", "reply_to": first["message"]}
            await ann.say({"type": "send", "id": 2, "cid": "c2", **reply})
            await ann.say({"type": "edit", "id": 3, "cid": "c3", "body": "ho", **at})
            await ann.say({"type": "delete", "id": 4, "cid": "c4", **at})
            await ann.say({"type": "leave", "id": 5, "room": "ops", "cid": "c5"})
            for _ in range(4):
                await ann.next("ack")
            got += [await subscriber.next() for _ in range(5)]
        await server.api("DELETE", "/api/v1/rooms/ops/members/bob")
        got.append(await subscriber.next())
        assert await subscriber.has_nothing()
    names = [event["event"] for _, event in got]
    assert names == [
        "room.created", "member.joined", "member.joined", "presence.changed", "message.created",
        "message.created", "message.edited", "message.deleted", "member.left", "member.left",
    ]  # fmt: skip
    assert [channel for channel, _ in got] == [f"moorline:{name}" for name in names]
    by_name = {event["event"]: event for _, event in got}
    assert by_name["member.left"]["removed"] and by_name["member.left"]["user"] == "bob"
    assert got[4][1]["message"] == {"id": first["message"], "seq": 2, "body": "hé 𝄞"}
    assert (got[4][1]["cid"], got[4][1]["by"], got[4][1]["at"]) == ("c1", "ann", first["at"])
    assert got[7][1]["message"] == {"id": first["message"], "seq": 2}
    documented = examples()
    for _, event in got:
        known = [shape(example) for example in documented[event["event"]]]
        assert shape(event) in known, f"{event} is not as docs/events.md shows"
    metrics = await server.metrics()
    assert metrics["moorline_domain_events_published_total"] == 10
    assert metrics["moorline_domain_events_dropped_total"] == 0


async def test_the_prefix_keeps_two_servers_on_one_redis_apart(own_world: World, tmp_path: Path) -> None:
    url = own_world.servers[0].url(database=1)
    words = [["--events-prefix", "one."], ["--events-prefix", "two."]]
    servers = [
        Server(tmp_path / more[1], more, {"MOORLINE_EVENTS_URL": url}) for more in words
    ]
    async with subscribed(own_world.servers[0], "two.*") as subscriber:
        for server in servers:
            await server.start()
            await is_connected(server)
            await server.room("ops", "ann")
        got = [await subscriber.next() for _ in range(2)]
        assert [channel for channel, _ in got] == ["two.room.created", "two.member.joined"]
        assert await subscriber.has_nothing()
    for server in servers:
        await server.stop()


async def test_a_redis_that_is_away_delays_nothing_and_what_waited_comes_after_it(
    server: Server, own_world: World
) -> None:
    redis_server = own_world.servers[0]
    await server.start()
    await is_connected(server)
    await server.room("ops", "ann")
    redis_server.stop()
    async with server.person("ann") as ann:
        began = time.monotonic()
        for number in range(300):
            await ann.say({"type": "send", "id": number, "room": "ops", "cid": f"c{number}", "body": str(number)})
        acks = [await ann.next("ack") for _ in range(300)]
        assert time.monotonic() - began < 10 and acks[-1]["seq"] == 301
        await eventually(lambda: "domain events wait" in server.log(), 10, "the log says that Redis is away")
        redis_server.start()
        async with subscribed(redis_server, "moorline:message.created") as subscriber:
            await is_connected(server)
            await ann.say({"type": "send", "id": 999, "room": "ops", "cid": "last", "body": "last"})
            bodies = []
            while not bodies or bodies[-1] != "last":
                bodies.append((await subscriber.next())[1]["message"]["body"])
    # What waited may have been published before the subscription; it comes in order and once.
    numbers = [int(body) for body in bodies[:-1]]
    assert numbers == list(range(300 - len(numbers), 300))
    await eventually(lambda: "published again" in server.log(), 10, "the log says that Redis is back")
    log = server.log()
    assert log.count("domain events wait") == 1 and log.count("domain events are published again") == 1, log


async def test_a_wrong_password_is_told_as_that_once_and_never_shown(own_world: World, tmp_path: Path) -> None:
    url = own_world.servers[0].url("wr0ng", database=1)
    server = Server(tmp_path / "server", ["--events-url", url], {})
    await server.start()
    await server.room("ops", "ann")
    await eventually(lambda: "WRONGPASS" in server.log(), 10, "the log says what is wrong")
    assert not await _up(server)
    ready = await server.api("GET", "/readyz")
    assert ready["ready"] and [(part["part"], part["cause"]) for part in ready["degraded"]] == [("events", "password_wrong")]
    assert "wr0ng" not in str(ready)
    assert server.log().count("WRONGPASS") == 1 and "wr0ng" not in server.log()
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 8


async def test_a_server_that_is_alone_tells_at_its_end_that_its_people_went(
    server: Server, own_world: World
) -> None:
    await server.start()
    await is_connected(server)
    await server.room("ops", "ann", "bob")
    async with subscribed(own_world.servers[0], "moorline:presence.changed") as subscriber:
        async with server.person("ann"), server.person("bob"):
            came = [(await subscriber.next())[1] for _ in range(2)]
            await server.stop()
            went = [(await subscriber.next())[1] for _ in range(2)]
        assert await subscriber.has_nothing()
    assert [{(one["user"], one["state"]) for one in some} for some in (came, went)] == [
        {("ann", "online"), ("bob", "online")},
        {("ann", "offline"), ("bob", "offline")},
    ]
