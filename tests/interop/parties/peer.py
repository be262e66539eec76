"""What the tests ask of a channel layer, whoever is behind it.

`DjangoPeer` and `DriverPeer` are the two kinds. It holds no behaviour.
"""

from typing import Any, Protocol

from .messages import Message

CODES = frozenset(
    ["ChannelFull", "InvalidName", "InvalidMessage", "NotInProcess", "WrongClient", "Decode", "Other"]
)


class LayerError(Exception):
    """A refused or failed request: one of the closed set of codes, and text for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        assert code in CODES, f"a driver must not invent the code {code!r}"
        self.code = code
        self.detail = detail


class Peer(Protocol):
    """One layer object of one process."""

    async def new_channel(self, prefix: str | None = None) -> str:
        """A fresh channel of this process."""

    async def send(self, channel: str, message: Message) -> None:
        """Sends to one channel."""

    async def receive(self, channel: str, timeout: float | None = 5) -> Message:
        """The next message, or None at the deadline."""

    async def group_add(self, group: str, channel: str) -> None:
        """Adds a member."""

    async def group_discard(self, group: str, channel: str) -> None:
        """Removes a member."""

    async def group_send(self, group: str, message: Message) -> None:
        """Sends to all members."""

    async def close(self) -> None:
        """Ends it in an orderly way."""


REQUESTS: dict[str, tuple[str, ...]] = {
    "new_channel": ("prefix",),
    "send": ("channel", "message"),
    "receive": ("channel", "timeout"),
    "group_add": ("group", "channel"),
    "group_discard": ("group", "channel"),
    "group_send": ("group", "message"),
}
"""Each request of a driver with its fields, in the order of `Peer`'s arguments."""


async def drain(peer: Peer, channel: str, idle: float = 0.4) -> list[Any]:
    """All that waits on a channel, until nothing came for `idle` seconds."""
    found = []
    while (message := await peer.receive(channel, idle)) is not None:
        found.append(message)
    return found
