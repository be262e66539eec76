"""Golden vectors: bytes written down once, which both sides must write and read."""

import json
from typing import Any

import pytest

from parties.planting import fernet, put
from parties.world import World
from test_messages import same

A = {"type": "test.message", "text": "Hello"}
B = {"type": "chat.message", "text": "héllo ✓ 😀", "n": 1, "f": 1.5, "t": True, "z": None, "neg": -1, "l": [1, "a", {}]}
EDGES = [127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1]

MSGPACK: dict[str, tuple[Any, str]] = {
    "A": (A, "82a474797065ac746573742e6d657373616765a474657874a548656c6c6f"),
    "B": (
        B,
        "88a474797065ac636861742e6d657373616765a474657874af68c3a96c6c6f20e29c9320f09f9880a16e01a166cb3ff8000000000000"
        "a174c3a17ac0a36e6567ffa16c9301a16180",
    ),
    "C": ({"type": "x", "b": b"\x00\xff"}, "82a474797065a178a162c40200ff"),
    "D": (
        {"type": "x", "i": EDGES},
        "82a474797065a178a169dc00117fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf8000000000000000"
        "e0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff",
    ),
    "E": (
        {"type": "x", "f": [0.1, 1e300, -0.0, 3.0]},
        "82a474797065a178a16694cb3fb999999999999acb7e37e43c8800759ccb8000000000000000cb4008000000000000",
    ),
    "str 300": ({"s": "x" * 300}, "81a173da012c" + "78" * 300),
    "bin 300": ({"s": bytes(300)}, "81a173c5012c" + "00" * 300),
    "str 70000": ({"s": "x" * 70000}, "81a173db00011170" + "78" * 70000),
    "array 16": ({"s": [0] * 16}, "81a173dc0010" + "00" * 16),
    "map 16": ({chr(97 + n): 0 for n in range(16)}, "de0010" + "".join(f"a1{97 + n:02x}00" for n in range(16))),
}

JSON: dict[str, tuple[Any, str]] = {
    "A": (A, '{"type": "test.message", "text": "Hello"}'),
    "B": (
        B,
        '{"type": "chat.message", "text": "h\\u00e9llo \\u2713 \\ud83d\\ude00", "n": 1, "f": 1.5, "t": true,'
        ' "z": null, "neg": -1, "l": [1, "a", {}]}',
    ),
    "floats": ({"f": [1e300, 3.0, 1e16, 0.0001, 1e-5, -0.0, 5e-324]}, '{"f": [1e+300, 3.0, 1e+16, 0.0001, 1e-05, -0.0, 5e-324]}'),
    "odd text": ({"t": "\x7f/\x00\"\\\u2028"}, '{"t": "\\u007f/\\u0000\\"\\\\\\u2028"}'),
}

G_CHANNEL = "specific.0123456789abcdef0123456789abcdef!" + "f" * 32
G_TAIL = "b05f5f617367695f6368616e6e656c5f5f" + "d94a" + G_CHANNEL.encode().hex()
H_TAIL = "b05f5f617367695f6368616e6e656c5f5f" + "91" + "d94a" + G_CHANNEL.encode().hex()

TOKENS = {
    "msgpack A": (
        A,
        "msgpack",
        "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD12iXzgGhJjxgypcCFV75jO0Aghxq-iobe6AKtLNji4AX5q9cE6k4GpmrP5aXVDeWCFfS4xc3CnUenugDj5IrbI=",
    ),
    "json A": (
        A,
        "json",
        "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD0fBLJh25iFAmTOqOJ--hMFd826v0e3W2AuW_3-p-B7v9EYMGi0_1YKxM_88716-N3HtJzpw8-2fgO6ly7r_oaQ0Zqgqhbi1OvTtSP3GsEmz",
    ),
    "empty map": (
        {},
        "msgpack",
        "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD9MjDw13S7SpcShSSd3ofTj8dYEesQeSfkO4DGyGIXlM5bTF1XaGOjqh7d6pKhZS6w==",
    ),
}


@pytest.mark.parametrize("serializer", ["msgpack", "json"])
async def test_both_sides_write_the_golden_bytes_and_read_them(world: World, serializer: str) -> None:
    vectors = MSGPACK if serializer == "msgpack" else JSON
    options = world.options(serializer=serializer)
    for peer in (await world.subject(options), await world.django(options)):
        for name, (message, golden) in vectors.items():
            body = bytes.fromhex(golden) if serializer == "msgpack" else golden.encode()
            await peer.send("test_channel", message)
            ((member, _),) = world.redis.zpopmin("asgitest_channel")
            assert member[12:] == body, name
            put(world.redis, "asgitest_channel", body)
            assert same(await peer.receive("test_channel"), message), name


async def test_a_direct_message_names_its_channel_last(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        await peer.send(G_CHANNEL, {"type": "x"})
        ((member, _),) = world.redis.zpopmin("asgi" + G_CHANNEL.split("!")[0] + "!")
        assert member[12:].hex() == "82a474797065a178" + G_TAIL


async def test_a_group_message_names_its_channels_last_as_an_array(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        await peer.group_add("g", G_CHANNEL)
        await peer.group_send("g", {"type": "x"})
        ((member, _),) = world.redis.zpopmin("asgi" + G_CHANNEL.split("!")[0] + "!")
        assert member[12:].hex() == "82a474797065a178" + H_TAIL


async def test_a_message_to_a_worker_carries_no_name(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        put(world.redis, "asgiworker", bytes.fromhex("82a474797065a178" + "b05f5f617367695f6368616e6e656c5f5f" + "92a161a6776f726b6572"))
        assert await peer.receive("worker") == {"type": "x"}


async def test_the_captured_wire_value_is_read(world: World) -> None:
    for peer in (await world.subject(), await world.django()):
        put(world.redis, "asgitest_channel", bytes.fromhex(MSGPACK["A"][1]), bytes.fromhex("a4e7c6742e5208fb5c9277b7"))
        assert await peer.receive("test_channel") == A


@pytest.mark.parametrize("name", TOKENS)
async def test_golden_tokens_are_read(world: World, name: str) -> None:
    """They are from 2023, so only the pubsub layer, which knows no age, reads them."""
    message, serializer, text = TOKENS[name]
    options = world.options(layer="pubsub", keys=["s3cret-key"], serializer=serializer)
    for peer in (await world.subject(options), await world.django(options)):
        channel = await peer.new_channel()
        world.redis.publish(channel, text)
        assert await peer.receive(channel) == message


async def test_the_keys_are_derived_as_written_down(world: World) -> None:
    for key, derived in (
        ("s3cret-key", "817b823905cc7853f381992575a9041fcdb17fc70e776707abfb4d7c59ecbf3f"),
        ("clé", "51cbcf30514d0802eb5c60a018f384ea3fb9b69307c554ee63ecb43177594de4"),
    ):
        cipher = fernet(key)
        assert (cipher._signing_key + cipher._encryption_key).hex() == derived
        options = world.options(keys=[key])
        for peer in (await world.subject(options), await world.django(options)):
            await peer.send("worker", A)
            ((member, _),) = world.redis.zpopmin("asgiworker")
            assert cipher.decrypt(member[12:]).hex() == MSGPACK["A"][1]


@pytest.mark.parametrize(
    "text", ['{"n": NaN}', '{"n": Infinity}', '{"n": -Infinity}', '\n {"n" :\t1 } ', '{"n": "\\u00e9 é 😀"}', '{"n": 1, "n": 2}']
)
async def test_any_json_that_python_reads_is_read(world: World, text: str) -> None:
    options = world.options(serializer="json")
    for peer in (await world.subject(options), await world.django(options)):
        put(world.redis, "asgiworker", text.encode())
        assert str(await peer.receive("worker")) == str(json.loads(text))
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
            put(world.redis, "asgiworker", text.encode(encoding))
            assert str(await peer.receive("worker")) == str(json.loads(text)), encoding


@pytest.mark.better
async def test_what_json_does_not_have_is_never_written(world: World) -> None:
    subject = await world.subject(world.options(serializer="json"))
    with pytest.raises(Exception, match="InvalidMessage"):
        await subject.ask("send", channel="worker", message={"n": float("inf")})
    assert world.redis.keys() == []
