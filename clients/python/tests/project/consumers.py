"""Consumers of the kinds that projects have, for the check of their handlers. Nobody connects to them."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

PREFIX = "chat."


class Handles(AsyncWebsocketConsumer):
    """Joins the rooms' group and has the handler."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(f"chat.{self.scope['room']}", self.channel_name)

    async def chat_event(self, event: dict[str, Any]) -> None:
        """The handler."""


class Lacks(AsyncWebsocketConsumer):
    """Joins the rooms' group by a name that is put together, and has no handler."""

    async def connect(self) -> None:
        self.room_name = self.scope["room"]
        self.room_group_name = "chat.%s" % self.room_name  # noqa: UP031
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)


class LacksByFormat(AsyncWebsocketConsumer):
    """The same by str.format."""

    async def connect(self) -> None:
        await self.channel_layer.group_add("chat.{}".format(self.scope["room"]), self.channel_name)  # noqa: UP032


class LacksUnknown(AsyncWebsocketConsumer):
    """Joins a group whose name is made elsewhere."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(name_of(self.scope), self.channel_name)


class Inherits(Lacks):
    """Has the group by inheritance."""


class Listed(AsyncWebsocketConsumer):
    """Joins by the class attribute."""

    groups = ["chat.lobby"]


class Elsewhere(AsyncWebsocketConsumer):
    """Joins other groups only."""

    groups = ["news"]

    async def connect(self) -> None:
        group = "orders_" + self.scope["shop"]
        await self.channel_layer.group_add(group, self.channel_name)
        await self.channel_layer.group_add(f"user_{self.scope['user'].pk}", self.channel_name)


class Quiet(AsyncWebsocketConsumer):
    """Joins nothing."""


def name_of(scope: dict[str, Any]) -> str:
    """A name that no reader of the consumer can know."""
    return str(scope["group"])
