"""Messages that chance makes survive both directions, unchanged in value, type and order."""

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from parties.world import World
from test_messages import same

LETTERS = "aZ0 é✓😀\x00\x7f\"\\/\u2028$_"


def number(dice: random.Random) -> int:
    """Any integer of msgpack, small and large ones alike."""
    value = dice.getrandbits(dice.randint(1, 64))
    return -(value >> 1) if dice.random() < 0.4 else value


def real(dice: random.Random) -> float:
    """Any finite double, by its bits."""
    while True:
        (value,) = struct.unpack("<d", dice.randbytes(8))
        if abs(value) != float("inf") and value == value:
            return float(value) if dice.random() < 0.7 else float(dice.randint(-9, 9))


def text(dice: random.Random) -> str:
    """Short text with all that is awkward."""
    return "".join(dice.choices(LETTERS, k=dice.randint(0, 40)))


def mapping(dice: random.Random, depth: int) -> dict[str, Any]:
    """A map with text keys; none of the words that mean something to a layer or to a driver."""
    return {text(dice): value(dice, depth) for _ in range(dice.randint(0, 5))}


def value(dice: random.Random, depth: int = 4) -> Any:
    """Anything that a message may hold."""
    leaves: list[Callable[[], Any]] = [
        lambda: None,
        lambda: dice.random() < 0.5,
        lambda: number(dice),
        lambda: real(dice),
        lambda: text(dice),
        lambda: dice.randbytes(dice.randint(0, 40)),
    ]
    trees: list[Callable[[], Any]] = [
        lambda: [value(dice, depth - 1) for _ in range(dice.randint(0, 5))],
        lambda: mapping(dice, depth - 1),
    ]
    return dice.choice(leaves + trees * 2 if depth else leaves)()


@pytest.mark.parametrize("keys", [None, ["k"]], ids=["plain", "encrypted"])
@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_messages_by_chance_survive_both_directions(
    world: World, layer: str, keys: list[str] | None
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    options = world.options(layer=layer, capacity=1000, keys=keys)
    subject, django = await world.subject(options), await world.django(options)
    for sender, receiver in ((subject, django), (django, subject)):
        channel = await receiver.new_channel()
        for _ in range(150):
            message = mapping(dice, 4)
            await sender.send(channel, message)
            got = await receiver.receive(channel)
            assert same(got, message), f"seed {seed}: sent {message!r}, got {got!r}"
