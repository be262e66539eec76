"""What a Redis server is told, command by command, as MONITOR shows it.

The tests of the exact wire traffic use it, and nothing else does.
"""

import re
from types import TracebackType
from typing import Self

from .redis_server import RedisServer

WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code.startswith(b"x") and len(code) == 3:
        return bytes.fromhex(code[1:].decode())
    return PLAIN.get(code, code)


class Monitor:
    """Collects from `with` on; `commands` ends the collection."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def __enter__(self) -> Self:
        self._connection = self._server.client.connection_pool.make_connection()
        self._connection.connect()
        self._connection.send_command("MONITOR")
        self._connection.read_response()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.disconnect()

    def commands(self) -> list[list[bytes]]:
        """All since the beginning, but for handshakes and what scripts called."""
        self._server.client.echo("the end of the collection")
        found: list[list[bytes]] = []
        while True:
            line = self._connection.read_response(disable_decoding=True)
            raw = line if isinstance(line, bytes) else str(line).encode("latin-1")
            words = [ESCAPE.sub(_unescaped, word) for word in WORD.findall(raw.split(b"] ", 1)[1])]
            if words[-1:] == [b"the end of the collection"]:
                return found
            if b" lua] " not in raw and words[0].upper() not in (b"HELLO", b"AUTH", b"CLIENT", b"SELECT", b"PING"):
                found.append([words[0].upper(), *words[1:]])
