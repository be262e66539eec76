"""A driver: a process that speaks JSON lines on stdin and stdout, as the Rust example does.

The tests start it through `World`. It matches answers to requests and keeps the driver's log; what
the answers mean is the tests' business.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from .messages import Message, from_line, to_line
from .options import Options
from .peer import REQUESTS, LayerError

LINE_LIMIT_BYTES = 1 << 28

ENOUGH_SECONDS = 20.0
"""How long any answer may take beyond a deadline that the request itself names."""


class DriverPeer:
    """One driver process with one open layer."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log_path = log
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, command: Sequence[str], options: Options, log: Path) -> Self:
        """Starts the process and opens its layer."""
        peer = await cls.unopened(command, log)
        await peer.ask("open", **options.given())
        return peer

    @classmethod
    async def unopened(cls, command: Sequence[str], log: Path) -> Self:
        """Only starts the process."""
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LINE_LIMIT_BYTES,
                env={**os.environ, "RUST_LOG": os.environ.get("RUST_LOG", "info")},
            )
        return cls(process, log)

    async def new_channel(self, prefix: str | None = None) -> str:
        chosen: dict[str, Any] = {} if prefix is None else {"prefix": prefix}
        name: str = await self.ask("new_channel", **chosen)
        return name

    async def send(self, channel: str, message: Message) -> None:
        await self._ask_in_order("send", channel, message)

    async def receive(self, channel: str, timeout: float | None = 5) -> Message:
        found = await self._ask_in_order("receive", channel, timeout, patience=timeout)
        return None if found is None else found["message"]

    async def group_add(self, group: str, channel: str) -> None:
        await self._ask_in_order("group_add", group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._ask_in_order("group_discard", group, channel)

    async def group_send(self, group: str, message: Message) -> None:
        await self._ask_in_order("group_send", group, message)

    async def close(self) -> None:
        """Closes the layer, then ends the process by the end of its stdin."""
        if self.process.returncode is None:
            await self.ask("close")
        await self.end()

    async def end(self) -> None:
        """The end of stdin means exit; a driver that stays is killed and told on."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(ENOUGH_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            raise AssertionError("the driver did not exit at the end of its stdin") from None
        finally:
            self._reader.cancel()

    def kill(self) -> None:
        """kill -9."""
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)

    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self.log_path.read_text(errors="replace")

    def resident_bytes(self) -> int:
        """The process's memory now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def _ask_in_order(self, op: str, *values: Any, patience: float | None = 0) -> Any:
        fields = dict(zip(REQUESTS[op], values, strict=True))
        fields = {name: value for name, value in fields.items() if value is not None or name == "message"}
        return await self.ask(op, patience=patience, **fields)

    async def ask(self, op: str, patience: float | None = 0, **fields: Any) -> Any:
        """One request and its answer; a refusal is raised as a `LayerError`."""
        assert self.process.stdin is not None
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        line = to_line({"id": number, "op": op, **fields})
        self.process.stdin.write(line.encode("utf-8", "surrogatepass") + b"\n")
        try:
            async with asyncio.timeout(None if patience is None else patience + ENOUGH_SECONDS):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            answer = from_line(line)
            waiting = self._waiting.get(answer["id"])
            if waiting is None or waiting.done():
                continue
            if answer["ok"]:
                waiting.set_result(answer.get("result"))
            else:
                waiting.set_exception(LayerError(answer["error"], answer.get("detail", "")))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the driver is gone"))
