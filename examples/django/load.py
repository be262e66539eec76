"""Sockets for `bench.py`: many in one process, which count what comes without reading it, so that the load is cheap."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import Callable
from typing import Any

MARK = b"@@"
"""Stands once in each text that is sent, and nowhere else."""


class Socket(asyncio.Protocol):
    """A WebSocket of a client that knows no more than it needs."""

    def __init__(self, path: str, host: str, headers: dict[str, str]) -> None:
        self._path, self._host, self._headers = path, host, headers
        self._said = b""
        self._tail = b""
        self._wanted: tuple[bytes, asyncio.Future[None]] | None = None
        self._transport: asyncio.Transport | None = None
        self.is_counting = False
        self.count = 0
        self.on_marks: Callable[[int], None] = lambda _more: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {self._path} HTTP/1.1", f"Host: {self._host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Looks for what somebody waits for, or counts."""
        if self.is_counting:
            more = (self._tail + data).count(MARK)
            # A mark may lie across two reads; one that was counted must not be seen again.
            self._tail = data[-1:] if data.endswith(MARK[:1]) and not data.endswith(MARK) else b""
            if more:
                self.count += more
                self.on_marks(more)
            return
        self._said += data
        self._look()

    def _look(self) -> None:
        if self._wanted and self._wanted[0] in self._said and not self._wanted[1].done():
            self._wanted[1].set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """A socket that drops spoils the measurement, so it is told."""
        if self._wanted and not self._wanted[1].done():
            self._wanted[1].set_exception(ConnectionError(f"closed: {error}; it said {self._said[-300:]!r}"))

    async def until(self, text: str) -> None:
        """Until this was said."""
        self._wanted = (text.encode(), asyncio.get_running_loop().create_future())
        self._look()
        await asyncio.wait_for(self._wanted[1], 60)

    def say(self, frame: dict[str, Any]) -> None:
        """One masked text frame."""
        body = json.dumps(frame).encode()
        length = len(body)
        head = bytes([0x81, 0x80 | length]) if length < 126 else bytes([0x81, 0xFE]) + struct.pack(">H", length)
        assert self._transport is not None
        # A mask of zeros masks nothing, and is allowed.
        self._transport.write(head + b"\0\0\0\0" + body)

    def close(self) -> None:
        """Drops it."""
        if self._transport is not None:
            self._transport.abort()


async def opened(port: int, path: str, headers: dict[str, str]) -> Socket:
    """A socket that the server has taken."""
    loop = asyncio.get_running_loop()
    host = f"127.0.0.1:{port}"
    _, socket = await loop.create_connection(lambda: Socket(path, host, headers), "127.0.0.1", port)
    await socket.until("101 Switching")
    return socket


class Crowd:
    """Sockets of one room: what is written once has to come to each of them."""

    def __init__(self, sockets: list[Socket], write: Callable[[Socket, str], None]) -> None:
        self._sockets, self._write = sockets, write
        self._came = 0
        self._changed = asyncio.Event()
        for socket in sockets:
            socket.is_counting = True
            socket.on_marks = self._on_marks

    def _on_marks(self, more: int) -> None:
        self._came += more
        self._changed.set()

    async def messages(self, count: int, window: int) -> None:
        """Writes `count` texts, at most `window` of them on their way; until every socket has all."""
        people = len(self._sockets)
        start = self._came
        for number in range(count):
            await self._reached(start + (number - window + 1) * people)
            self._write(self._sockets[number % people], f"{MARK.decode()}{number:08} and some words more")
        await self._reached(start + count * people)

    async def _reached(self, wanted: int) -> None:
        while self._came < wanted:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)

    def is_even(self, count: int) -> bool:
        """Whether each socket had each text once."""
        return all(socket.count == count for socket in self._sockets)
