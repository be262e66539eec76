"""The Python twin of the Rust driver: the same JSON lines, with the real channels_redis underneath.

`python -m parties.twin [--fault NAME]`. The suite runs against it to prove the tests themselves; a
fault from `faults` makes it misbehave, and the tests must then fail.
"""

import argparse
import asyncio
import sys
from typing import Any

from . import faults
from .django import DjangoPeer
from .messages import from_line, to_line
from .options import Options
from .peer import REQUESTS, LayerError


class Twin:
    """Answers requests; all but `open` and `close` run at the same time."""

    def __init__(self) -> None:
        self.peer: DjangoPeer | None = None
        self.running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the end of stdin."""
        reader = asyncio.StreamReader(limit=1 << 28)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            request = from_line(line)
            number, op = request.pop("id"), request.pop("op")
            if op in ("open", "close"):
                await self.answer(number, op, request)
                continue
            task = asyncio.ensure_future(self.answer(number, op, request))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def answer(self, number: int, op: str, fields: dict[str, Any]) -> None:
        try:
            result = await self.result(op, fields)
            said = {"id": number, "ok": True, "result": result}
        except LayerError as error:
            said = {"id": number, "ok": False, "error": error.code, "detail": error.detail}
        except asyncio.CancelledError:
            said = {"id": number, "ok": False, "error": "Other", "detail": "closed"}
        except Exception as error:
            said = {"id": number, "ok": False, "error": "Other", "detail": repr(error)}
        sys.stdout.buffer.write(to_line(said).encode("utf-8", "surrogatepass") + b"\n")
        sys.stdout.buffer.flush()

    async def result(self, op: str, fields: dict[str, Any]) -> Any:
        if op == "open":
            self.peer = DjangoPeer(Options(**fields))
            return None
        if self.peer is None:
            raise LayerError("Other", "open a layer first")
        if op == "close":
            for task in self.running:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)
            await self.peer.close()
            return None
        if op == "receive":
            message = await self.peer.receive(fields["channel"], fields.get("timeout"))
            return None if message is None else {"message": message}
        return await getattr(self.peer, op)(*[fields[name] for name in REQUESTS[op] if name in fields])


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=sorted(faults.FAULTS), help="misbehave in this way")
    fault = parser.parse_args().fault
    if fault is not None:
        faults.FAULTS[fault]()
    asyncio.run(Twin().run())


if __name__ == "__main__":
    main()
