"""Planted faults: ways in which a channel layer could be almost like channels_redis.

`twin --fault NAME` plants one. For each group of tests there is at least one, and `test_planted`
demands that it turns those tests red.
"""

import binascii
from collections.abc import Callable
from typing import Any

import channels.layers
import channels_redis.core
import channels_redis.pubsub
import channels_redis.serializers
import msgpack
from channels_redis.core import RedisChannelLayer as Core
from channels_redis.pubsub import RedisPubSubLoopLayer as PubSub
from channels_redis.serializers import BaseMessageSerializer as Serializer


def float_as_int() -> None:
    """3.0 becomes 3."""
    _change_values(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)


def bytes_as_text() -> None:
    """Byte strings lose their type."""
    _change_values(lambda value: value.decode("latin-1") if isinstance(value, bytes) else value)


def big_ints_wrap() -> None:
    """Integers above 2^63-1 turn negative."""
    _change_values(lambda value: value - (1 << 64) if isinstance(value, int) and value >= 1 << 63 else value)


def sorted_maps() -> None:
    """Maps lose their order."""
    _change_values(lambda value: dict(sorted(value.items())) if isinstance(value, dict) else value)


def _change_values(change: Callable[[Any], Any]) -> None:
    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return change({key: changed(item) for key, item in value.items()})
        if isinstance(value, list):
            return [changed(item) for item in value]
        return change(value)

    original = Serializer.deserialize

    def deserialize(self: Any, message: bytes) -> Any:
        return changed(original(self, message))

    Serializer.deserialize = deserialize


def text_as_bytes() -> None:
    """Text is written as bin, as a careless msgpack library would."""

    def encoded(value: Any) -> Any:
        if isinstance(value, dict):
            return {encoded(key): encoded(item) for key, item in value.items()}
        if isinstance(value, list):
            return [encoded(item) for item in value]
        return value.encode() if isinstance(value, str) else value

    channels_redis.serializers.MsgPackSerializer.as_bytes = staticmethod(
        lambda message: msgpack.packb(encoded(message))
    )


def no_array() -> None:
    """A group's message reaches only the first local member."""
    original = Core.receive_single

    async def receive_single(self: Any, channel: str) -> Any:
        name, message = await original(self, channel)
        return (name[0] if isinstance(name, list) else name), message

    Core.receive_single = receive_single


def one_message_a_member() -> None:
    """group_send writes one message a member instead of one a process."""

    async def group_send(self: Any, group: str, message: Any) -> None:
        key = self._group_key(group)
        found = await self.connection(self.consistent_hash(group)).zrange(key, 0, -1)
        for name in found:
            await self.send(name.decode(), message)

    Core.group_send = group_send


def no_expiry() -> None:
    """Keys get no TTL, and nothing old is pruned."""

    class Connection:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def expire(self, *_: Any) -> None:
            return None

        async def zremrangebyscore(self, *_: Any, **__: Any) -> None:
            return None

    original = Core.connection
    Core.connection = lambda self, index: Connection(original(self, index))


def no_capacity() -> None:
    """Nothing is ever full."""
    channels.layers.BaseChannelLayer.get_capacity = lambda self, channel: 10**9


def last_pattern() -> None:
    """The last matching capacity pattern wins."""

    def get_capacity(self: Any, channel: str) -> Any:
        fits = [number for pattern, number in self.channel_capacity if pattern.match(channel)]
        return fits[-1] if fits else self.capacity

    channels.layers.BaseChannelLayer.get_capacity = get_capacity


def no_backup() -> None:
    """A message leaves Redis before anybody has it."""

    async def pop(self: Any, index: int, channel: str, timeout: float) -> Any:
        result = await self.connection(index).bzpopmin(channel, timeout=timeout)
        return None if result is None else result[1]

    Core._brpop_with_clean = pop


def wrong_hash() -> None:
    """CRC-32 modulo the number of hosts."""

    def index(value: Any, ring_size: int) -> int:
        return binascii.crc32(value.encode() if isinstance(value, str) else value) % ring_size

    channels_redis.core._consistent_hash = index
    channels_redis.pubsub._consistent_hash = index


def last_key() -> None:
    """Encrypts with the oldest key instead of the newest."""
    _reorder_keys(lambda keys: list(reversed(keys)))


def one_key() -> None:
    """Knows only the newest key."""
    _reorder_keys(lambda keys: keys[:1])


def no_key() -> None:
    """Encrypts nothing."""
    _reorder_keys(lambda keys: [])


def _reorder_keys(change: Callable[[list[Any]], list[Any]]) -> None:
    original = Serializer._setup_encryption

    def setup(self: Any, keys: list[Any] | None) -> None:
        original(self, change(list(keys)) if keys else keys)

    Serializer._setup_encryption = setup


def no_token_age() -> None:
    """Old and future tokens are taken."""
    original = Serializer.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{**kwargs, "expiry": None})

    Serializer.__init__ = init


def fixed_prefix() -> None:
    """Ignores the configured prefix."""
    original = Core.__init__
    Core.__init__ = lambda self, *args, **kwargs: original(self, *args, **{**kwargs, "prefix": "asgi"})
    of_pubsub = PubSub.__init__
    PubSub.__init__ = lambda self, *args, **kwargs: of_pubsub(self, *args, **{**kwargs, "prefix": "asgi"})


def any_name() -> None:
    """Checks no names."""
    channels.layers.BaseChannelLayer.require_valid_channel_name = lambda *_, **__: True
    channels.layers.BaseChannelLayer.require_valid_group_name = lambda *_: True


def plain_group_name() -> None:
    """A group's name on the wire lacks its mark."""
    PubSub._get_group_channel_name = lambda self, group: f"{self.prefix}{group}"


def no_random_prefix() -> None:
    """Equal messages become one member of the sorted set."""
    original = Serializer.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        length, self.random_prefix_length = self.random_prefix_length, 0
        plain = self.serialize
        self.serialize = lambda message: bytes(length) + plain(message)
        decode = self.deserialize
        self.deserialize = lambda message: decode(message[length:])

    Serializer.__init__ = init


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        float_as_int,
        bytes_as_text,
        big_ints_wrap,
        sorted_maps,
        text_as_bytes,
        no_array,
        one_message_a_member,
        no_expiry,
        no_capacity,
        last_pattern,
        no_backup,
        wrong_hash,
        last_key,
        one_key,
        no_key,
        no_token_age,
        fixed_prefix,
        any_name,
        plain_group_name,
        no_random_prefix,
    )
}
