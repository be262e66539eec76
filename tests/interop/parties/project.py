"""A Django project's side: its settings for Channels as the first users have them, and its consumers.

The consumers run as `channels` runs them, over the real channel layer; only the socket is the test's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings

if not settings.configured:
    settings.configure()


BACKENDS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def channel_layer_settings(redis_url: str, layer: str = "core") -> dict[str, Any]:
    """`CHANNEL_LAYERS` with the password in REDIS_URL, unchanged for us."""
    config = {"hosts": [redis_url], "capacity": 1500, "expiry": 10}
    return {"default": {"BACKEND": BACKENDS[layer], "CONFIG": config}}


class Deaf(AsyncJsonWebsocketConsumer):
    """A consumer of a project that knows nothing of us: one type, in the room's group."""

    async def connect(self) -> None:
        room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(f"chat.{room}", self.channel_name)
        await self.channel_layer.group_add("ticks", self.channel_name)
        await self.accept()

    async def chat_tick(self, message: dict[str, Any]) -> None:
        """Nothing but a sign of life."""

    async def chat_message(self, message: dict[str, Any]) -> None:
        """A message that the project itself sends."""
        await self.send_json({"text": message["text"]})


class Hearing(Deaf):
    """The same, which handles our events too."""

    async def chat_event(self, message: dict[str, Any]) -> None:
        """An event of Moorline."""
        await self.send_json(message["event"])


class Project:
    """The running project: `channel_layer` is what `get_channel_layer()` returns."""

    def __init__(self, layer: Any) -> None:
        self.channel_layer = layer

    @asynccontextmanager
    async def socket(self, consumer: Any, room: str) -> AsyncIterator[WebsocketCommunicator]:
        """A browser on a consumer of this room."""
        socket = WebsocketCommunicator(consumer.as_asgi(), f"/ws/chat/{room}/")
        socket.scope["url_route"] = {"kwargs": {"room": room}}
        accepted, _ = await socket.connect()
        assert accepted
        ticking = asyncio.create_task(self._tick())
        try:
            yield socket
            await socket.disconnect()
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        """redis-py 8 ends a consumer that hears nothing for 5 seconds, whoever else is on the layer."""
        while True:
            await self.channel_layer.group_send("ticks", {"type": "chat.tick"})
            await asyncio.sleep(1)

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Sends to the channel `moorline` and waits for the answer."""
        channel = await self.channel_layer.new_channel()
        await self.channel_layer.send("moorline", {**message, "reply_channel": channel})
        answer: dict[str, Any] = await self.channel_layer.receive(channel)
        assert answer["type"] == "chat.answer"
        return answer


@asynccontextmanager
async def project(redis_url: str, layer: str = "core") -> AsyncIterator[Project]:
    """A project with these settings, while the test runs."""
    settings.CHANNEL_LAYERS = channel_layer_settings(redis_url, layer)
    channel_layers.backends.clear()
    running = get_channel_layer()
    try:
        yield Project(running)
    finally:
        await (running.close_pools() if layer == "core" else running.flush())
