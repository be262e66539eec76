"""Real redis-server processes on free ports of the loopback, with a password, in temporary folders.

Tests own them: they restart, freeze and configure them at will. Only what was started here is ever
stopped.
"""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

PASSWORD = "s3cret pass/word@é"
"""Has all that must be percent-encoded in a URL."""

_taken: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on; never the same twice in this process."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _taken:
            _taken.add(port)
            return port


class RedisServer:
    """One server; stopped by `stop`, started again on the same port by `start`."""

    def __init__(self, folder: Path, password: str | None = PASSWORD, lines: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = password
        self.socket = folder / f"{self.port}.sock"
        self.lines = lines
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    arguments: tuple[str, ...] = ()

    def settings(self) -> list[str]:
        """The lines of its configuration file."""
        secret = [f'requirepass "{self.password}"'] if self.password else []
        return [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"unixsocket {self.socket}",
            f"dir {self.folder}",
            'save ""',
            "appendonly no",
            *secret,
            *self.lines,
        ]

    def start(self) -> None:
        """Starts it and waits until it answers."""
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: `cargo xtask test --only install` installs it"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / f"{self.port}.conf"
        config.write_text("\n".join(self.settings()) + "\n")
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(config), *self.arguments], stdout=log, stderr=log
            )
        self._client = None
        deadline = time.monotonic() + 15
        while not self._answers():
            assert self._process.poll() is None, f"redis-server ended: see {self.folder}"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.exceptions.ConnectionError:
            return False

    def stop(self) -> None:
        """Ends it at once, as a crash would; what it held is gone."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stands still meanwhile: connections stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def client(self) -> Any:
        """A connection for the test itself, blocking, bytes in and out; redis-py's own hints are too wide to use."""
        if self._client is None:
            self._client = redis.Redis(
                host="127.0.0.1", port=self.port, password=self.password, socket_timeout=10
            )
        return self._client

    def url(self, password: str | None = None, database: int = 0) -> str:
        """Its address with the password in it."""
        secret = self.password if password is None else password
        login = f":{quote(secret, safe='')}@" if secret else ""
        return f"redis://{login}127.0.0.1:{self.port}/{database}"

    def others(self) -> list[dict[str, Any]]:
        """The connections of everybody but this object."""
        me = self.client.client_id()
        found: list[dict[str, Any]] = self.client.client_list()
        return [one for one in found if int(one["id"]) != int(me)]

    def cut_all(self) -> int:
        """CLIENT KILL for every connection but this object's; how many there were."""
        found = self.others()
        for one in found:
            self.client.client_kill_filter(_id=str(one["id"]), skipme=True)
        return len(found)
