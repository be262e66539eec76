"""What handles the browsers' messages of a relay with `inbox=chat.inbox`: `manage.py runworker chat.inbox`."""

import json

from channels.consumer import AsyncConsumer


class ChatWorker(AsyncConsumer):
    async def websocket_connect(self, event):
        """Only with `lifecycle=yes`, as the next one."""
        await self._say(event, "somebody came")

    async def websocket_disconnect(self, event):
        await self._say(event, f"somebody went: {event['code']}")

    async def websocket_receive(self, event):
        message = json.loads(event["text"])["message"]
        if message == "/who am I":
            answer = f"You are {event['scope']['user']}"
            await self.channel_layer.send(
                event["reply_channel"], {"type": "chat.message", "message": answer}
            )
            return
        await self._say(event, message)

    async def _say(self, event, message):
        room = event["scope"]["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_send(
            f"chat_{room}", {"type": "chat.message", "message": message}
        )
