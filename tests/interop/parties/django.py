"""The real Python channel layers, as a peer inside the test's own process.

The tests use it as the far side, and the twin puts it behind JSON lines. It changes nothing in how
channels_redis behaves; it only turns exceptions into the driver's codes and waits for Redis to
confirm a subscription, which channels_redis does not.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from cryptography.fernet import InvalidToken
import msgpack

from .messages import Message
from .options import Options
from .peer import LayerError

CLASSES: dict[str, Any] = {
    "core": RedisChannelLayer,
    "pubsub": RedisPubSubChannelLayer,
    "memory": InMemoryChannelLayer,
}

NAMES = {"keys": "symmetric_encryption_keys", "serializer": "serializer_format"}

UNREADABLE = (InvalidToken, msgpack.exceptions.UnpackException, UnicodeDecodeError, ValueError)


def arguments(options: Options) -> dict[str, Any]:
    """The layer's settings as Django's CHANNEL_LAYERS has them."""
    given = options.given()
    given.pop("layer")
    if options.layer == "memory":
        given.pop("hosts")
    else:
        given["hosts"] = [_patient(host) for host in given["hosts"]]
    if "channel_capacity" in given:
        given["channel_capacity"] = dict(given["channel_capacity"])
    return {NAMES.get(name, name): value for name, value in given.items()}


def _patient(host: Any) -> dict[str, Any]:
    """redis-py 8 gives up a read after 5 seconds, just when an idle BZPOPMIN would return."""
    match host:
        case str(address):
            return {"address": address, "socket_timeout": None}
        case [name, port]:
            return {"host": name, "port": port, "socket_timeout": None}
        case _:
            return {"socket_timeout": None, **host}


class DjangoPeer:
    """One layer object of channels_redis, or of channels for the memory layer."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.layer = CLASSES[options.layer](**arguments(options))
        self._receiving: set[asyncio.Task[Any]] = set()

    async def new_channel(self, prefix: str | None = None) -> str:
        words = [] if prefix is None else [prefix]
        name: str = await _named(self.layer.new_channel(*words))
        await _named(self._confirmed(name))
        return name

    async def send(self, channel: str, message: Message) -> None:
        await _named(self.layer.send(channel, message))

    async def receive(self, channel: str, timeout: float | None = 5) -> Message:
        task = asyncio.ensure_future(self.layer.receive(channel))
        self._receiving.add(task)
        try:
            return await _named(asyncio.wait_for(task, timeout))
        except TimeoutError:
            return None
        finally:
            self._receiving.discard(task)

    async def group_add(self, group: str, channel: str) -> None:
        await _named(self.layer.group_add(group, channel))
        if self.options.layer == "pubsub":
            await _named(self._confirmed(self.layer._get_group_channel_name(group)))

    async def group_discard(self, group: str, channel: str) -> None:
        await _named(self.layer.group_discard(group, channel))

    async def group_send(self, group: str, message: Message) -> None:
        await _named(self.layer.group_send(group, message))

    async def close(self) -> None:
        for task in list(self._receiving):
            task.cancel()
        await asyncio.gather(*self._receiving, return_exceptions=True)
        if self.options.layer == "core":
            await self.layer.close_pools()
        elif self.options.layer == "pubsub":
            await self.layer.flush()

    async def _confirmed(self, name: str) -> None:
        """Until Redis itself says that somebody listens to the name."""
        if self.options.layer != "pubsub":
            return
        shard = self.layer._get_shard(name)
        async with asyncio.timeout(5):
            while (await shard._redis.pubsub_numsub(name))[0][1] == 0:
                await asyncio.sleep(0.005)


async def _named(request: Awaitable[Any]) -> Any:
    """The exceptions of the Python layers by the names of the driver's codes."""
    try:
        return await request
    except (LayerError, TimeoutError, asyncio.CancelledError):
        raise
    except Exception as error:
        raise LayerError(_code(error), f"{type(error).__name__}: {error}") from error


def _code(error: Exception) -> str:
    text = str(error)
    match error:
        case ChannelFull():
            return "ChannelFull"
        case TypeError() if "name must be a valid unicode string" in text:
            return "InvalidName"
        case AssertionError() if "Wrong client prefix" in text:
            return "WrongClient"
        case RuntimeError() if "exist in-process" in text:
            return "NotInProcess"
        case UnicodeEncodeError() | AssertionError() | TypeError() | OverflowError():
            return "InvalidMessage"
        case AttributeError() if "'items'" in text:
            return "InvalidMessage"
        case _ if isinstance(error, UNREADABLE):
            return "Decode"
        case _:
            return "Other"
