"""The world of one test: its Redis servers and the peers that it opened.

Every test gets one from a fixture. It opens subjects (the program under test), Django peers, and
Python processes that can be killed, and closes all of them at the end.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .django import DjangoPeer
from .driver import DriverPeer
from .options import Options
from .peer import Peer
from .redis_server import RedisServer

TWIN = [sys.executable, "-m", "parties.twin"]

Direction = Literal["to_django", "from_django"]
DIRECTIONS: tuple[Direction, ...] = ("to_django", "from_django")


@dataclass(frozen=True)
class Subject:
    """The program under test: what it is, and how it is started."""

    name: Literal["rust", "python"]
    command: list[str]


class World:
    """Opens peers and closes them."""

    def __init__(self, subject: Subject, servers: list[RedisServer], folder: Path) -> None:
        self.subject_program = subject
        self.servers = servers
        self.folder = folder
        self._drivers: list[DriverPeer] = []
        self._django: list[DjangoPeer] = []

    @property
    def redis(self) -> Any:
        """The first server, for looking into it."""
        return self.servers[0].client

    def hosts(self, number: int = 1) -> list[Any]:
        """Addresses of the first `number` servers."""
        return [server.url() for server in self.servers[:number]]

    def options(self, hosts: int = 1, **chosen: Any) -> Options:
        """Options for the first `hosts` servers."""
        return Options(hosts=self.hosts(hosts), **chosen)

    async def subject(self, options: Options | None = None) -> DriverPeer:
        """The program under test, opened."""
        return await self._driver(self.subject_program.command, options)

    async def python_process(self, options: Options | None = None) -> DriverPeer:
        """channels_redis in a process of its own, to be killed."""
        return await self._driver(TWIN, options)

    async def _driver(self, command: list[str], options: Options | None) -> DriverPeer:
        log = self.folder / f"driver-{len(self._drivers)}.log"
        peer = await DriverPeer.unopened(command, log)
        self._drivers.append(peer)
        await peer.ask("open", **(options or self.options()).given())
        return peer

    async def unopened(self) -> DriverPeer:
        """The program under test, not opened."""
        log = self.folder / f"driver-{len(self._drivers)}.log"
        peer = await DriverPeer.unopened(self.subject_program.command, log)
        self._drivers.append(peer)
        return peer

    async def django(self, options: Options | None = None) -> DjangoPeer:
        """channels_redis in the test's process."""
        peer = DjangoPeer(options or self.options())
        self._django.append(peer)
        return peer

    async def pair(self, direction: Direction, options: Options) -> tuple[Peer, Peer]:
        """A sender and a receiver, one of them the subject."""
        subject, django = await self.subject(options), await self.django(options)
        return (subject, django) if direction == "to_django" else (django, subject)

    async def close(self) -> None:
        """Closes all; a driver is killed rather than waited for, tests of its end do that themselves."""
        for django in self._django:
            await django.close()
        for driver in self._drivers:
            driver.kill()
            await driver.process.wait()
            driver._reader.cancel()
