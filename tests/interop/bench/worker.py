"""One process of the comparison, with the real channels_redis: the twin of `layer_bench.rs`.

`python -m bench.worker members|sender|echo|ping core|pubsub URL GROUP CHANNELS MESSAGES PACE_MS`. Role by role it does
what the Rust example does, and nothing but call the layer.
"""

import asyncio
import json
import sys
import time
from typing import Any

from parties.django import CLASSES

TEXT = "The tide is going out, and the boat hangs on its moorings."


def message(at: float) -> dict[str, Any]:
    """About what a chat message is."""
    return {"type": "chat.message", "at": at, "room": 17, "text": TEXT}


def say(line: str) -> None:
    """One line for whoever started this."""
    print(line, flush=True)


async def go() -> str:
    """The next line of stdin."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


async def members(layer: Any, group: str, channels: int, messages: int, pace: float) -> list[float]:
    """Every channel of one process reads its messages; the latency of each."""

    async def read(channel: str) -> list[float]:
        seen = []
        for _ in range(messages):
            found = await layer.receive(channel)
            seen.append(time.time() - found["at"])
        return seen

    readers = []
    for _ in range(channels):
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        readers.append(asyncio.ensure_future(read(channel)))
    say("ready")
    return [one for seen in await asyncio.gather(*readers) for one in seen]


async def sender(layer: Any, group: str, channels: int, messages: int, pace: float) -> list[float]:
    """Sends to the group at its pace; how long each call took."""
    say("ready")
    await go()
    seen = []
    beat = time.monotonic()
    for _ in range(messages):
        await asyncio.sleep(beat - time.monotonic())
        beat += pace
        began = time.time()
        await layer.group_send(group, message(began))
        seen.append(time.time() - began)
    return seen


async def echo(layer: Any, group: str, channels: int, messages: int, pace: float) -> list[float]:
    """Answers each message to the channel that it names; one channel a conversation."""

    async def talk(channel: str) -> None:
        for _ in range(messages):
            asked = await layer.receive(channel)
            await layer.send(asked["reply"], asked)

    names = [await layer.new_channel() for _ in range(channels)]
    talks = [asyncio.ensure_future(talk(name)) for name in names]
    say(" ".join(names))
    await asyncio.gather(*talks)
    return []


async def ping(layer: Any, group: str, channels: int, messages: int, pace: float) -> list[float]:
    """Round trips with the echoes whose channels come on stdin, all at once; how long each took."""

    async def talk(own: str, other: str) -> list[float]:
        seen = []
        for _ in range(messages):
            began = time.time()
            await layer.send(other, message(began) | {"reply": own})
            await layer.receive(own)
            seen.append(time.time() - began)
        return seen

    say("ready")
    others = (await go()).split(" ")
    names = [await layer.new_channel() for _ in others]
    talks = await asyncio.gather(*[talk(own, other) for own, other in zip(names, others, strict=True)])
    return [one for seen in talks for one in seen]


ROLES = {"members": members, "sender": sender, "echo": echo, "ping": ping}


async def main() -> None:
    """The program."""
    role, kind, url, group, channels, messages, pace = sys.argv[1:]
    host = {"address": url, "socket_timeout": None}
    layer = CLASSES[kind](hosts=[host], expiry=60, capacity=1500)
    seen = await ROLES[role](layer, group, int(channels), int(messages), int(pace) / 1000)
    # What it prints is no work of the layer: its CPU time is read before.
    say("done")
    await go()
    say(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main())
