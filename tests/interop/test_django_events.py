"""The real server beside a Django project with the first users' settings: events to its consumers, its notices and posts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parties.deadline import eventually
from parties.project import Deaf, Hearing, Project, project
from parties.redis_server import RedisServer
from parties.server import Server
from parties.world import World

pytestmark = pytest.mark.moorline

EVENTS = ["--django-events", "group=chat.{room} type=chat.event"]
POSTS = ["--accept-layer-posts"]


class Start:
    """Starts servers over the world's Redis, as a test wants them."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.servers: list[Server] = []

    async def server(self, *words: str, **variables: str) -> Server:
        folder = self.folder / f"server-{len(self.servers)}"
        server = Server(folder, list(words), {"REDIS_URL": self.redis.url(), **variables})
        self.servers.append(server)
        await server.start()
        return server


@pytest.fixture
async def start(own_world: World, tmp_path: Path) -> AsyncIterator[Start]:
    """Servers over a Redis of the test's own; they end before it."""
    start = Start(own_world.servers[0], tmp_path)
    yield start
    for server in start.servers:
        await server.stop()


@pytest.fixture
async def django(own_world: World) -> AsyncIterator[Project]:
    """The Django project."""
    async with project(own_world.servers[0].url()) as running:
        yield running


async def is_taking(server: Server, django: Project) -> None:
    """Until the server answers on its channel; it connects in the background."""
    answer = await django.ask({"type": "chat.hello"})
    assert answer["error"]["code"] == "unknown_type"


async def test_a_consumer_in_the_configured_group_gets_each_event_once_under_the_type(
    start: Start, django: Project
) -> None:
    server = await start.server(*EVENTS)
    await server.room("ops", "ann", "bob")
    await is_taking(server, django)
    async with django.socket(Hearing, "ops") as socket, server.person("ann") as ann:
        for number in range(50):
            body = f"m{number} é\u0000𝄞"
            await ann.say({"type": "send", "id": number, "room": "ops", "cid": f"c{number}", "body": body})
        await ann.say({"type": "leave", "room": "ops", "cid": "bye"})
        events = [await socket.receive_json_from(timeout=10) for _ in range(51)]
        assert [event["seq"] for event in events] == list(range(2, 53))
        assert [event["body"] for event in events[:50]] == [f"m{n} é\u0000𝄞" for n in range(50)]
        for event in events[:50]:
            assert (event["type"], event["kind"], event["room"], event["from"]) == ("event", "message", "ops", "ann")
        assert events[50]["changes"] == [{"user": "ann", "change": "left"}]
        page = await server.api("GET", "/api/v1/rooms/ops/events?after=1")
        stored = [(event["id"], event["at"], event["epoch"]) for event in page["events"]]
        assert [(event["id"], event["at"], event["epoch"]) for event in events] == stored
        assert await socket.receive_nothing(0.3)
    metrics = await server.metrics()
    assert metrics["moorline_django_events_sent_total"] == 51 + 1, "with the room's first event, which nobody was there for"
    assert metrics["moorline_django_events_dropped_total"] == 0


async def speak_in(server: Server, room: str, number: int) -> None:
    """A busy room: so many messages, several at once."""
    await asyncio.gather(*[server.post(room, "ann", f"m{n}", f"k{n}") for n in range(number)])


async def test_a_consumer_without_the_handler_lives_beside_a_busy_room_when_nothing_was_asked_for(
    start: Start, django: Project
) -> None:
    server = await start.server(*POSTS)
    await server.room("ops", "ann")
    await is_taking(server, django)
    async with django.socket(Deaf, "ops") as socket, server.person("ann") as ann:
        await speak_in(server, "ops", 200)
        while (await ann.next("event"))["seq"] < 201:
            pass
        await django.channel_layer.group_send("chat.ops", {"type": "chat.message", "text": "still here"})
        assert await socket.receive_json_from(timeout=5) == {"text": "still here"}
        assert await socket.receive_nothing(0.3)
    assert (await server.metrics())["moorline_django_events_sent_total"] == 0


async def test_the_same_consumer_dies_when_it_was_asked_for_so_the_test_before_can_fail(
    start: Start, django: Project
) -> None:
    server = await start.server(*EVENTS)
    await server.room("ops", "ann")
    await is_taking(server, django)
    with pytest.raises(ValueError, match="No handler for message type chat.event"):
        async with django.socket(Deaf, "ops") as socket:
            await server.post("ops", "ann", "hello", "k1")
            await socket.receive_json_from(timeout=10)


async def test_a_notice_reaches_a_rooms_people_and_one_person(start: Start, django: Project) -> None:
    server = await start.server()
    await server.room("ops", "ann", "bob")
    await server.room("other", "eve")
    async with server.person("ann") as ann, server.person("bob") as bob, server.person("eve") as eve:
        data = {"n": 2**60, "raw": b"\x00\xff", "list": [1, None, 0.5, {"deep": True}], "text": "é𝄞"}
        await django.channel_layer.send(
            "moorline", {"type": "chat.notice", "room": "ops", "name": "order.shipped", "data": data}
        )
        told = {**data, "n": str(2**60), "raw": {"$bytes": "AP8="}}
        expected = {"type": "notice", "room": "ops", "name": "order.shipped", "data": told}
        assert await ann.next("notice") == await bob.next("notice") == expected
        await django.channel_layer.send("moorline", {"type": "chat.notice", "user": "eve", "name": "hi"})
        assert await eve.next("notice") == {"type": "notice", "user": "eve", "name": "hi", "data": None}
        at = int(time.time() * 1000)
        again = {"type": "chat.notice", "user": "ann", "name": "once", "id": "n1", "at": at}
        assert (await django.ask(again))["ok"]
        assert (await django.ask(again))["error"]["code"] == "repeated"
        assert (await ann.next("notice"))["name"] == "once"
        await django.channel_layer.send("moorline", {"type": "chat.notice", "user": "ann", "name": "last"})
        assert (await ann.next("notice"))["name"] == "last"
    metrics = await server.metrics()
    assert metrics["moorline_django_notices_total"] == 4
    assert metrics['moorline_django_refused_total{reason="repeated"}'] == 1


async def test_a_post_is_stored_as_a_message_and_a_repeated_one_is_the_same_message(
    start: Start, django: Project
) -> None:
    server = await start.server(*EVENTS, *POSTS)
    await server.room("ops", "ann", "bob")
    post = {"type": "chat.post", "room": "ops", "from": "ann", "cid": "p1", "body": "from Django é"}
    async with server.person("bob") as bob, django.socket(Hearing, "ops") as socket:
        first, again = await django.ask(post), await django.ask(post)
        assert (first["ok"], first["seq"], first["repeated"]) == (True, 2, False)
        assert (again["message"], again["seq"], again["repeated"]) == (first["message"], 2, True)
        event = await bob.next("event")
        assert (event["id"], event["from"], event["body"]) == (first["message"], "ann", "from Django é")
        assert (await socket.receive_json_from(timeout=10))["id"] == first["message"]
        assert await socket.receive_nothing(0.3)
    page = await server.api("GET", "/api/v1/rooms/ops/events?after=0")
    assert [event["seq"] for event in page["events"]] == [1, 2]
    metrics = await server.metrics()
    assert (metrics["moorline_django_posts_total"], metrics["moorline_django_posts_repeated_total"]) == (1, 1)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("not_found", {"type": "chat.post", "room": "nowhere", "from": "ann", "cid": "1", "body": "x"}),
    ("not_found", {"type": "chat.post", "room": "ops", "from": "nobody", "cid": "2", "body": "x"}),
    ("not_found", {"type": "chat.post", "room": "ops", "from": "eve", "cid": "3", "body": "x"}),
    ("invalid", {"type": "chat.post", "room": "ops", "from": "ann", "body": "x"}),
    ("invalid", {"type": "chat.post", "room": "ops", "from": 7, "cid": "4", "body": "x"}),
    ("invalid", {"type": "chat.post", "room": ["ops"], "from": "ann", "cid": "5", "body": "x"}),
    ("invalid", {"type": "chat.post", "room": "ops", "from": "ann", "cid": "6", "body": b"x"}),
    ("too_large", {"type": "chat.post", "room": "ops", "from": "ann", "cid": "7", "body": "x" * 65_537}),
    ("too_large", {"type": "chat.notice", "room": "ops", "name": "n", "data": "x" * 1_000_000}),
    ("too_deep", {"type": "chat.notice", "room": "ops", "name": "n", "data": json.loads("[" * 17 + "]" * 17)}),
    ("invalid", {"type": "chat.notice", "room": "ops", "name": "n", "data": float("nan")}),
    ("invalid", {"type": "chat.notice", "room": "ops", "name": "n", "data": {b"key": 1}}),
    ("invalid", {"type": "chat.notice", "name": "n"}),
    ("not_found", {"type": "chat.notice", "user": "nobody", "name": "n"}),
    ("stale", {"type": "chat.notice", "room": "ops", "name": "n", "at": 1}),
    ("unknown_type", {"type": "moorline.hint", "body": "{}"}),
    ("unknown_type", {"type": "chat.message", "text": "x"}),
    ("unknown_type", {"type": None}),
    ("unknown_type", {}),
]


async def test_whatever_is_not_right_is_refused_counted_told_and_hurts_nobody(
    start: Start, django: Project, own_world: World
) -> None:
    server = await start.server(*POSTS)
    await server.room("ops", "ann")
    await server.room("other", "eve")
    for code, message in REFUSED:
        answer = await django.ask(message)
        assert (answer["ok"], answer["error"]["code"]) == (False, code), message
    now = time.time()
    for rubbish in (b"short", b"123456789012\xc1", b"123456789012" + b"\x91" * 100_000, b"123456789012\x01"):
        own_world.redis.zadd("asgimoorline", {rubbish: now})
    for number in range(300):
        await django.channel_layer.send("moorline", {"type": "flood", "n": number})
    assert (await django.ask({"type": "chat.post", "room": "ops", "from": "ann", "cid": "ok", "body": "x"}))["seq"] == 2
    metrics = await server.metrics()
    refused = {name: value for name, value in metrics.items() if name.startswith("moorline_django_refused_total")}
    assert sum(refused.values()) == len(REFUSED) + 300
    assert refused['moorline_django_refused_total{reason="not_found"}'] == 4
    lines = [line for line in server.log().splitlines() if "refused a message on the channel" in line]
    assert len(lines) == 1, lines


async def test_posts_are_refused_where_the_operator_did_not_accept_them(start: Start, django: Project) -> None:
    server = await start.server()
    await server.room("ops", "ann")
    answer = await django.ask({"type": "chat.post", "room": "ops", "from": "ann", "cid": "1", "body": "x"})
    assert answer["error"]["code"] == "forbidden"
    assert (await server.api("GET", "/api/v1/rooms/ops/events?after=0"))["head"] == 1


async def test_a_redis_that_is_gone_delays_no_ack_and_events_come_again_after_it(
    start: Start, django: Project
) -> None:
    server = await start.server(*EVENTS)
    await server.room("ops", "ann")
    await is_taking(server, django)
    start.redis.stop()
    async with server.person("ann") as ann:
        began = time.monotonic()
        for number in range(300):
            await ann.say({"type": "send", "id": number, "room": "ops", "cid": f"c{number}", "body": "x"})
        acks = [await ann.next("ack") for _ in range(300)]
        assert time.monotonic() - began < 10 and acks[-1]["seq"] == 301
    await eventually(lambda: _dropped(server, 300), 30, "the losses are counted")
    start.redis.start()
    async with project(start.redis.url()) as after, after.socket(Hearing, "ops") as socket:
        await is_taking(server, after)
        await server.post("ops", "ann", "after", "k1")
        assert (await socket.receive_json_from(timeout=10))["body"] == "after"
    assert server.log().count("events for Django are lost") == 1


async def _dropped(server: Server, number: int) -> bool:
    return (await server.metrics())["moorline_django_events_dropped_total"] == number


async def test_a_redis_that_stands_still_delays_no_ack_and_loses_no_event(start: Start, django: Project) -> None:
    server = await start.server(*EVENTS)
    await server.room("ops", "ann")
    await is_taking(server, django)
    async with server.person("ann") as ann, django.socket(Hearing, "ops") as socket:
        with start.redis.frozen():
            for number in range(200):
                await ann.say({"type": "send", "id": number, "room": "ops", "cid": f"c{number}", "body": "x"})
            acks = [await ann.next("ack") for _ in range(200)]
            assert acks[-1]["seq"] == 201
            assert await socket.receive_nothing(0.2)
        events = [await socket.receive_json_from(timeout=10) for _ in range(200)]
        assert [event["seq"] for event in events] == list(range(2, 202))


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_both_layers_carry_events_notices_and_posts(start: Start, layer: str) -> None:
    server = await start.server(*EVENTS, *POSTS, "--layer", layer)
    await server.room("ops", "ann")
    async with project(start.redis.url(), layer=layer) as django, server.person("ann") as ann:
        await eventually(lambda: _listens(start, layer), 10, "somebody listens on the channel")
        channel = await django.channel_layer.new_channel()
        await django.channel_layer.group_add("chat.ops", channel)
        if layer == "pubsub":
            await eventually(lambda: start.redis.client.pubsub_numsub("asgi__group__chat.ops")[0][1], 10)
        post = {"type": "chat.post", "room": "ops", "from": "ann", "cid": "p1", "body": "hi"}
        for number in range(2):
            await django.channel_layer.send("moorline", post)
        assert (await ann.next("event"))["seq"] == 2
        await django.channel_layer.send("moorline", {"type": "chat.notice", "room": "ops", "name": "end"})
        assert (await ann.next("notice"))["name"] == "end"
        got = await asyncio.wait_for(django.channel_layer.receive(channel), 10)
        assert (got["type"], got["event"]["seq"], got["event"]["body"]) == ("chat.event", 2, "hi")
    metrics = await server.metrics()
    assert (metrics["moorline_django_posts_total"], metrics["moorline_django_posts_repeated_total"]) == (1, 1)


def _listens(start: Start, layer: str) -> bool:
    """With the core layer a message waits for who will listen."""
    return layer == "core" or bool(start.redis.client.pubsub_numsub("moorline")[0][1])
