"""`moorline layer` and real channels_redis: what one side sends by its command line, the other takes."""

import asyncio
import json
import subprocess

import pytest

from parties.server import environment, program
from parties.world import World

pytestmark = pytest.mark.moorline

MESSAGE = {"type": "chat.message", "text": "héllo", "n": 3, "list": [1, None, True]}
KEY = "sesame"


def variables(world: World, layer: str) -> dict[str, str]:
    """The settings of a command as an operator has them in the environment."""
    url = world.servers[0].url()
    return environment(REDIS_URL=url, MOORLINE_LAYER=layer, MOORLINE_LAYER_KEY=KEY)


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_a_message_of_the_command_reaches_a_consumer_of_channels(world: World, layer: str) -> None:
    django = await world.django(world.options(layer=layer, keys=[KEY]))
    channel = await django.new_channel()
    await django.group_add("room.1", channel)
    for words in (["send", channel], ["group-send", "room.1"]):
        sent = await asyncio.to_thread(
            subprocess.run,
            [program(), "layer", *words, json.dumps(MESSAGE)],
            env=variables(world, layer),
            capture_output=True,
            text=True,
        )
        assert sent.returncode == 0, sent.stderr
        assert await django.receive(channel, 20) == MESSAGE


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_what_channels_sends_to_a_group_is_shown_by_the_command(world: World, layer: str) -> None:
    django = await world.django(world.options(layer=layer, keys=[KEY]))
    tail = await asyncio.create_subprocess_exec(
        *[program(), "layer", "tail", "--group", "room.1", "--count", "1", "--json"],
        env=variables(world, layer),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert tail.stdout is not None and tail.stderr is not None
    async with asyncio.timeout(30):
        assert (await tail.stderr.readline()).startswith(b"listening")
        await django.group_send("room.1", MESSAGE)
        assert json.loads(await tail.stdout.readline())["message"] == MESSAGE
        assert await tail.wait() == 0
    if layer == "core":
        assert not world.redis.exists("asgi:group:room.1")
