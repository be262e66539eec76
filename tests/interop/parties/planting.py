"""Puts messages into Redis by hand, byte for byte, as a peer with any options would have written them.

The tests of encryption and of hostile content use it.
"""

import base64
import hashlib
import time
from typing import Any

import msgpack
from cryptography.fernet import Fernet

from .messages import Message
from .peer import LayerError, Peer

PREFIX = bytes(12)


def fernet(key: str) -> Fernet:
    """The cipher of a channel layer's key."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))


def token(key: str, message: Message, age: float = 0) -> bytes:
    """An encrypted body made `age` seconds ago."""
    return fernet(key).encrypt_at_time(msgpack.packb(message), int(time.time() - age))


def put(server: Any, channel_key: str, body: bytes, prefix: bytes = PREFIX) -> None:
    """One member of a channel's sorted set, behind all that is there."""
    server.zadd(channel_key, {prefix + body: time.time()})


async def receive_past_errors(peer: Peer, channel: str, timeout: float = 5) -> Any:
    """The next message that can be read: Python raises for each that cannot."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return await peer.receive(channel, max(deadline - time.monotonic(), 0.01))
        except LayerError as error:
            assert error.code == "Decode", error
