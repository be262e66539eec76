"""`moorline doctor` beside Django's own channel layers: what a wrong setting of theirs leaves in Redis is named, with the remedy."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import __version__ as redis_py
from redis.exceptions import MaxConnectionsError, RedisError

from parties.redis_server import RedisServer
from parties.server import environment, program
from parties.world import World

pytestmark = pytest.mark.moorline

SECRETS = ("p@ss:w/rd#1", "p%40ss%3Aw%2Frd%231", "the key of Django", "the key of Moorline")
ENOUGH_SECONDS = 90


@pytest.fixture
def redis(own_world: World) -> RedisServer:
    """A Redis of the test's own."""
    return own_world.servers[0]


async def examined(redis: RedisServer, code: str, *words: str) -> tuple[int, dict[str, Any]]:
    """What one check of the program says, and how it ends."""
    process = await asyncio.create_subprocess_exec(
        program(),
        *["doctor", "--json", "--only", code, "--redis-url", redis.url(), *words],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    said, _ = await asyncio.wait_for(process.communicate(), ENOUGH_SECONDS)
    text = said.decode()
    assert not any(secret in text for secret in SECRETS), text
    [finding] = json.loads(text)["findings"]
    assert process.returncode is not None
    return process.returncode, finding


async def finds(redis: RedisServer, code: str, remedy: str, *words: str) -> None:
    """The check fails and names the remedy."""
    status, finding = await examined(redis, code, *words)
    assert (status, finding["status"]) == (1, "fail"), finding
    assert remedy in finding["fix"], finding


async def passes(redis: RedisServer, code: str, *words: str) -> None:
    """The check finds nothing."""
    status, finding = await examined(redis, code, *words)
    assert (status, finding["status"]) == (0, "pass"), finding


def core(redis: RedisServer, **options: Any) -> RedisChannelLayer:
    """Django's layer, patient unless it is told otherwise."""
    host = {"address": redis.url(), "socket_timeout": None}
    return RedisChannelLayer(**{"hosts": [host], "capacity": 1500, "expiry": 10, **options})


@asynccontextmanager
async def consumers(layer: RedisChannelLayer, count: int) -> AsyncIterator[None]:
    """Consumers that wait for messages, and come again when they were ended."""

    async def waits() -> None:
        channel = await layer.new_channel()
        while True:
            try:
                await layer.receive(channel)
            except RedisError:
                channel = await layer.new_channel()

    tasks = [asyncio.create_task(waits()) for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def as_it_is(redis: RedisServer) -> str | dict[str, Any]:
    """A host as redis-py 8 uses it by itself; the older one has to be told."""
    limits = {"address": redis.url(), "socket_timeout": 5, "max_connections": 100}
    return redis.url() if int(redis_py.split(".")[0]) >= 8 else limits


@asynccontextmanager
async def readers(redis: RedisServer, layer: RedisChannelLayer, count: int) -> AsyncIterator[list[str]]:
    """Readers of channels of their own, each on a connection of its own; the errors that ended their reads."""
    ended: list[str] = []

    async def reads(channel: str) -> None:
        while True:
            try:
                await layer.receive(channel)
            except RedisError as error:
                ended.append(type(error).__name__)

    tasks = [asyncio.create_task(reads(f"inbox.{number}")) for number in range(count)]
    try:
        await asyncio.wait_for(_readers_wait(redis, count), ENOUGH_SECONDS)
        yield ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_readers_that_give_up_after_five_seconds_are_found(redis: RedisServer) -> None:
    hasty = [core(redis, hosts=[as_it_is(redis)]) for _ in range(3)]
    async with consumers(hasty[0], 1), consumers(hasty[1], 1), consumers(hasty[2], 1):
        await asyncio.wait_for(_readers_wait(redis, 3), ENOUGH_SECONDS)
        await finds(redis, "ML-REDIS-007", '"socket_timeout": None')


async def test_readers_that_wait_on_are_well(redis: RedisServer) -> None:
    async with consumers(core(redis), 1), consumers(core(redis), 1):
        await asyncio.wait_for(_readers_wait(redis, 2), ENOUGH_SECONDS)
        await passes(redis, "ML-REDIS-007")


async def test_a_side_that_has_used_up_its_hundred_connections_is_warned_of(redis: RedisServer) -> None:
    host = {"address": redis.url(), "socket_timeout": None, "max_connections": 100}
    layer = core(redis, hosts=[host])
    async with readers(redis, layer, 100) as ended:
        with pytest.raises(MaxConnectionsError):
            await layer.receive("inbox.more")
        status, finding = await examined(redis, "ML-REDIS-007")
        assert (status, finding["status"]) == (0, "warn"), finding
        assert '"max_connections": 10000' in finding["fix"], finding
        assert ended == []


async def test_a_side_that_may_open_more_is_well(redis: RedisServer) -> None:
    host = {"address": redis.url(), "socket_timeout": None, "max_connections": 10_000}
    async with readers(redis, core(redis, hosts=[host]), 120) as ended:
        await passes(redis, "ML-REDIS-007")
        assert ended == []


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_side_with_the_defaults_of_redis_py_8_ends_a_hundred_readers_and_is_found(redis: RedisServer) -> None:
    layer = core(redis, hosts=[as_it_is(redis)])
    async with readers(redis, layer, 100) as ended:
        with pytest.raises(MaxConnectionsError):
            await layer.receive("inbox.more")
        status, finding = await examined(redis, "ML-REDIS-007")
        assert (status, finding["status"]) == (1, "fail"), finding
        assert '"socket_timeout": None' in finding["fix"], finding
        assert '"max_connections": 10000' in finding["fix"], finding
        # The fault bit: each of them was ended by its own side.
        assert ended.count("TimeoutError") >= 100, ended


Planted = Callable[[RedisServer], Awaitable[Any]]


async def _pubsub(redis: RedisServer) -> Any:
    layer = RedisPubSubChannelLayer(hosts=[redis.url()])
    channel = await layer.new_channel()
    await layer.group_add("chat.lobby", channel)
    await asyncio.wait_for(_is_listened_to(redis, "asgi__group__chat.lobby"), ENOUGH_SECONDS)
    return layer


async def _is_listened_to(redis: RedisServer, name: str) -> None:
    while name.encode() not in redis.client.pubsub_channels():
        await asyncio.sleep(0.02)


async def _readers_wait(redis: RedisServer, count: int) -> None:
    def waits(client: dict[str, str]) -> bool:
        return client["cmd"].lower() == "bzpopmin"

    while sum(waits(client) for client in redis.client.client_list()) < count:
        await asyncio.sleep(0.02)


async def _prefix(redis: RedisServer) -> Any:
    layer = core(redis, prefix="my-app")
    await layer.group_add("chat.lobby", await layer.new_channel())
    return layer


async def _key(redis: RedisServer) -> Any:
    layer = core(redis, symmetric_encryption_keys=["the key of Django"], expiry=600)
    await layer.send("worker", {"type": "chat.message"})
    return layer


async def _expiry(redis: RedisServer) -> Any:
    layer = core(redis, expiry=600)
    await layer.send("worker", {"type": "chat.message"})
    return layer


async def _full(redis: RedisServer) -> Any:
    layer = core(redis, capacity=3, expiry=600)
    for _ in range(3):
        await layer.send("worker", {"type": "chat.message"})
    return layer


@pytest.mark.parametrize(
    ("plant", "code", "wrong", "remedy", "right"),
    [
        (_pubsub, "ML-REDIS-009", [], "--layer pubsub", ["--layer", "pubsub"]),
        (_prefix, "ML-REDIS-008", [], "--layer-prefix my-app", ["--layer-prefix", "my-app"]),
        (
            _key,
            "ML-REDIS-012",
            ["--layer-key", "the key of Moorline"],
            "symmetric_encryption_keys",
            ["--layer-key", "the key of Django"],
        ),
        (_expiry, "ML-REDIS-010", [], "--layer-expiry 600", ["--layer-expiry", "600"]),
        (_full, "ML-REDIS-013", ["--layer-capacity", "3"], "--layer-capacity", []),
    ],
)
async def test_settings_of_django_that_differ_are_found(
    redis: RedisServer, plant: Planted, code: str, wrong: list[str], remedy: str, right: list[str]
) -> None:
    layer = await plant(redis)
    await finds(redis, code, remedy, *wrong)
    await passes(redis, code, *right)
    await layer.flush()
