"""The real server in a process of its own, and people who talk to it over WebSocket and HTTP.

`MOORLINE_BIN` names the program, else the release build is taken. Only what was started here is
ever stopped.
"""

import asyncio
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

BUILT = Path(__file__).parents[3] / "target/release/moorline"
SECRET = "0123456789abcdef0123456789abcdef"
ENOUGH_SECONDS = 20
OWN_VARIABLES = ("MOORLINE_", "REDIS_URL", "DATABASE_URL")


def program() -> str:
    """The binary under test."""
    path = os.environ.get("MOORLINE_BIN", str(BUILT))
    assert Path(path).exists(), f"{path} is missing: `cargo xtask test --only build` builds it"
    return path


def environment(**variables: str) -> dict[str, str]:
    """The test's own environment without settings of Moorline, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    return kept | variables


class Server:
    """One node on SQLite."""

    def __init__(self, folder: Path, words: list[str], variables: dict[str, str]) -> None:
        self.folder = folder
        self.words = words
        self.variables = variables
        self.origin = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it and waits until it says where it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program(),
                *["serve", "--port", "0", "--data-dir", str(self.folder / "data")],
                *["--api-key", SECRET, "--jwt-secret", SECRET],
                *self.words,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment(**self.variables),
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(ENOUGH_SECONDS):
            while line := (await self._process.stdout.readline()).decode():
                if line.strip().startswith("Page"):
                    self.origin = "http://" + line.split("http://")[1].strip().rstrip("/")
                if line.startswith("Stop with"):
                    return
        raise AssertionError(f"the server ended: {self.log()}")

    @property
    def log_path(self) -> Path:
        return self.folder / "server.log"

    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self.log_path.read_text(errors="replace")

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it and waits for its end."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()
        self._process = None

    async def api(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """One request of the server API; anything but success fails the test."""
        headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        return json.loads(await asyncio.to_thread(self._read, request) or "null")

    def _read(self, request: urllib.request.Request) -> str:
        try:
            with urllib.request.urlopen(request, timeout=ENOUGH_SECONDS) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{request.full_url}: {error.code} {error.read().decode()}") from error

    async def room(self, room: str, *people: str) -> None:
        """A group room of these people, who are made first."""
        for person in people:
            await self.api("PUT", f"/api/v1/users/{person}", {"name": person.title()})
        await self.api("POST", "/api/v1/rooms", {"id": room, "kind": "group", "name": "Ops", "members": people})

    async def post(self, room: str, person: str, body: str, key: str) -> dict[str, Any]:
        """A message by the server API; its ack."""
        ack: dict[str, Any] = await self.api(
            "POST", f"/api/v1/rooms/{room}/messages", {"from": person, "body": body}, key
        )
        return ack

    async def metrics(self) -> dict[str, float]:
        """All numbers of /metrics, by name and labels."""
        request = urllib.request.Request(self.origin + "/metrics")
        lines = (await asyncio.to_thread(self._read, request)).splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    @asynccontextmanager
    async def person(self, name: str) -> AsyncIterator["Person"]:
        """A connection that has said hello."""
        minted = subprocess.run(
            [program(), "token", "mint", "--sub", name, "--jwt-secret", SECRET],
            capture_output=True,
            text=True,
            check=True,
            env=environment(),
        )
        async with connect(self.origin.replace("http", "ws", 1) + "/ws") as socket:
            person = Person(socket)
            await person.say({"type": "hello", "token": minted.stdout.strip()})
            await person.next("welcome")
            yield person


class Person:
    """Somebody's open connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; others are passed over."""
        async with asyncio.timeout(ENOUGH_SECONDS):
            while True:
                frame: dict[str, Any] = json.loads(await self.socket.recv())
                if frame["type"] == kind:
                    return frame
