"""A PostgreSQL and a Redis with passwords, on free ports, for what `test_begin.py` runs on them. Both end with the test.

PostgreSQL refuses to run as root, so there it runs as `postgres`, in a folder that this user may reach.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from stranger import PATIENCE, free_port, listens

PASSWORD = "a-password-of-the-tests"
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


class Services:
    """Both, from `with` to its end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.database = Path(tempfile.mkdtemp(prefix="moorline-docs-"))
        self.processes: list[subprocess.Popen[bytes]] = []
        redis, postgres = free_port(), free_port()
        self.ports = {"redis": redis, "postgres": postgres}
        self.redis_url = f"redis://:{PASSWORD}@127.0.0.1:{redis}/0"
        self.database_url = f"postgres://moorline:{PASSWORD}@127.0.0.1:{postgres}/postgres"

    def __enter__(self) -> "Services":
        try:
            self.start_redis()
            self.start_postgres()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=60)
        shutil.rmtree(self.database, ignore_errors=True)

    def start_redis(self) -> None:
        config = self.folder / "redis.conf"
        config.write_text(f'port {self.ports["redis"]}\nbind 127.0.0.1\nsave ""\nrequirepass {PASSWORD}\n')
        self.start("redis", ["redis-server", str(config)])

    def start_postgres(self) -> None:
        before: list[str] = []
        password = self.database / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            before = AS_POSTGRES
            shutil.chown(self.database, "postgres", "postgres")
            shutil.chown(password, "postgres", "postgres")
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parts[4]))[-1]
        data = self.database / "data"
        made = [programs / "initdb", "-D", data, "-U", "moorline", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*before, *made, "--auth=scram-sha-256", "--no-sync", f"--pwfile={password}"], cwd="/", check=True, stdout=subprocess.DEVNULL)
        port = str(self.ports["postgres"])
        serves = [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", port, "-k", str(self.database)]
        self.start("postgres", [*before, *serves])

    def start(self, name: str, words: list[str]) -> None:
        """Until it listens."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(words, cwd="/", stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        deadline = time.monotonic() + PATIENCE
        while not listens(self.ports[name]):
            assert process.poll() is None and time.monotonic() < deadline, f"{name}: {log.read_text()[-2000:]}"
            time.sleep(0.05)
