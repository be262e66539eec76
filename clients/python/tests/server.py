"""A real Moorline on a free port of the loopback, in a temporary folder; only what was started here is ever stopped."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
API_KEY = "api-key-0123456789abcdef0123456789abcdef"
JWT_SECRET = "jwt-secret-0123456789abcdef0123456789abcdef"
DEADLINE = 20.0


def program() -> str:
    """The server under test: MOORLINE_BIN, else the release build."""
    return os.environ.get("MOORLINE_BIN") or str(ROOT / "target/release/moorline")


class Moorline:
    """One server; `kill` and `start` keep its port and what it stored."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "api.key").write_text(API_KEY + "\n")
        (folder / "jwt.secret").write_text(JWT_SECRET + "\n")

    def start(self) -> "Moorline":
        """Starts it and waits until it is ready."""
        said = self.folder / "stdout"
        words = [program(), "serve", "--port", str(self.port), "--data-dir", str(self.folder / "data")]
        words += ["--api-key-file", str(self.folder / "api.key"), "--jwt-secret-file", str(self.folder / "jwt.secret")]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MOORLINE_", "REDIS_URL"))}
        with said.open("wb") as out, (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*words, *self.options], stdout=out, stderr=log, env=clean)
        deadline = time.monotonic() + DEADLINE
        while not self._is_ready(said):
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "Moorline does not become ready"
            time.sleep(0.01)
        return self

    def _is_ready(self, said: Path) -> bool:
        found = re.search(r"Page\s+http://[^:]+:(\d+)/", said.read_text())
        if found is None:
            return False
        self.port = int(found[1])
        try:
            with urllib.request.urlopen(f"{self.url}/livez", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """`MOORLINE` for it; impatient, so that tests of faults are short."""
        return {"URL": self.url, "API_KEY": API_KEY, "JWT_SECRET": JWT_SECRET, "TIMEOUT": 5, "RETRY": 5, **more}

    def api(self, method: str, path: str, body: object = None) -> Any:
        """The server API, without the package under test."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def room(self, name: str, *members: str) -> str:
        """A room with members, made if it is not there."""
        for member in members:
            self.api("PUT", f"users/{member}", {"name": member})
        self.api("POST", "rooms", {"id": name, "kind": "group", "members": list(members)})
        return name

    def messages(self, room: str) -> list[dict[str, Any]]:
        """All message events of a room's log, in its order; its seqs have no holes."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.api("GET", f"rooms/{room}/events?after={after}&limit=1000")
            found += page["events"]
            if not page["more"]:
                break
            after = found[-1]["seq"]
        assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
        return [event for event in found if event["kind"] == "message"]

    def bodies(self, room: str) -> list[str]:
        """The texts of a room, in its order."""
        return [event["body"] for event in self.messages(room)]
