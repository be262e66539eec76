"""A real redis-server with a password, on a free port of the loopback."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

PASSWORD = "s3cret-word"


class RedisServer:
    """Started by being made; `stop` ends it."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: `cargo xtask test --only install` installs it"
        folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD]
        words += ["--save", "", "--dir", str(folder)]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([program, *words], stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while not self._answers():
            assert self._process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    @property
    def url(self) -> str:
        """Its address with the password in it."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()
