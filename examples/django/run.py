"""Runs all of it on this machine, without containers: Redis with a password, Moorline, Daphne and the outbox.

    python examples/django/run.py

It needs redis-server, a built Moorline (`cargo build --release`, or `--moorline PATH`) and the packages of
requirements.txt. Everything that is kept lies in one folder; Ctrl+C ends all of it, and so does the end of any part.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import postgres

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATIENCE = 30.0


class Stack:
    """The processes, in the order of their start; they are ended in the reverse."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str) -> None:
        """Starts a part, its output in FOLDER/NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                words, cwd=HERE, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait_for(self, name: str, port: int, path: str | None = None) -> None:
        """Until the part listens, or answers over HTTP."""
        deadline = time.monotonic() + PATIENCE
        while not answers(port, path):
            if self.parts[name].poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start; its log:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def run(self, *words: str) -> None:
        """A command to its end."""
        subprocess.run(words, cwd=HERE, env=self.environment, check=True, stdin=subprocess.DEVNULL)

    def watch(self) -> str:
        """Until a part ends by itself; which."""
        while True:
            for name, process in self.parts.items():
                if process.poll() is not None:
                    return name
            time.sleep(0.2)

    def stop(self) -> None:
        """Ends what was started, politely at first."""
        for process in reversed(list(self.parts.values())):
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int, path: str | None) -> bool:
    """Whether somebody listens, and says 2xx under the path."""
    try:
        if path is None:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return 200 <= answer.status < 300
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def secret(folder: Path, name: str) -> str:
    """A secret in a file of its own, made once."""
    path = folder / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n")
    return path.read_text().strip()


def program(given: str | None, name: str, built: Path | None, remedy: str) -> str:
    """Where a program is."""
    found = given or (str(built) if built and built.exists() else shutil.which(name))
    if not found:
        raise SystemExit(f"{name} is missing: {remedy}")
    return found


def arguments() -> argparse.Namespace:
    """What one may choose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=HERE / "run", help="holds data, secrets and logs")
    parser.add_argument("--port", type=int, default=8001, help="of Daphne (8001); 0 takes a free one")
    parser.add_argument("--moorline-port", type=int, default=8000, help="of Moorline (8000); 0 takes a free one")
    parser.add_argument("--redis-port", type=int, default=0, help="of Redis (a free one)")
    parser.add_argument("--moorline", default=os.environ.get("MOORLINE_BIN"), help="the program")
    parser.add_argument(
        "--postgres", action="store_true", help="both store in a PostgreSQL of its own instead of SQLite"
    )
    parser.add_argument("--through", choices=["moorline", "django"], default="moorline", help="where messages go")
    return parser.parse_args()


def environment(chosen: argparse.Namespace) -> dict[str, str]:
    """What Django and Moorline read; one Redis URL for both."""
    folder: Path = chosen.folder
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MOORLINE_")},
        "PYTHONPATH": os.pathsep.join([str(ROOT / "clients/python/src"), os.environ.get("PYTHONPATH", "")]),
        "DEBUG": "1",
        "SECRET_KEY": secret(folder, "django.key"),
        "REDIS_URL": f"redis://:{secret(folder, 'redis.password')}@127.0.0.1:{chosen.redis_port}/0",
        "DATABASE_URL": database_url(chosen),
        "CHAT_THROUGH": chosen.through,
        "CHAT_MOORLINE_URL": f"http://127.0.0.1:{chosen.moorline_port}",
        "CHAT_MOORLINE_PUBLIC_URL": f"http://127.0.0.1:{chosen.moorline_port}",
        "CHAT_API_KEY_FILE": str(folder / "api.key"),
        "CHAT_JWT_SECRET_FILE": str(folder / "jwt.secret"),
    }


def database_url(chosen: argparse.Namespace) -> str:
    """Django's database, and Moorline's where it is PostgreSQL."""
    if chosen.postgres:
        return postgres.url(chosen, secret(chosen.folder, "postgres.password"))
    return f"sqlite://{chosen.folder / 'db.sqlite3'}"


def start_redis(stack: Stack, chosen: argparse.Namespace) -> None:
    """With a password, which stands in a file and not on the command line."""
    config = chosen.folder / "redis.conf"
    config.touch(mode=0o600)
    password = secret(chosen.folder, "redis.password")
    config.write_text(f'port {chosen.redis_port}\nbind 127.0.0.1\nsave ""\nrequirepass {password}\n')
    name = program(None, "redis-server", None, "apt-get install redis-server, or brew install redis")
    stack.start("redis", name, str(config))
    stack.wait_for("redis", chosen.redis_port)


def start_moorline(stack: Stack, chosen: argparse.Namespace) -> None:
    """Beside Django: the same layer, an event of each message to Django's groups, and people by Django's sessions."""
    built = ROOT / "target/release/moorline"
    name = program(chosen.moorline, "moorline", built, "cargo build --release, or --moorline PATH")
    words = ["serve", "--port", str(chosen.moorline_port), "--data-dir", str(chosen.folder / "moorline")]
    words += ["--ping-interval", "25", "--ping-timeout", "60"]
    words += ["--django-events", "group=chat_{room} type=chat.event"]
    words += ["--origin", f"http://127.0.0.1:{chosen.port}"]
    words += ["--auth-url", f"http://127.0.0.1:{chosen.port}/moorline-auth/"]
    words += ["--api-key-file", str(chosen.folder / "api.key"), "--jwt-secret-file", str(chosen.folder / "jwt.secret")]
    for key in ("api.key", "jwt.secret"):
        secret(chosen.folder, key)
    if not chosen.postgres:
        # DATABASE_URL is Django's file; Moorline stores in one of its own.
        words += ["--database-url", "sqlite"]
    stack.start("moorline", name, *words)
    stack.wait_for("moorline", chosen.moorline_port, "/readyz")


def start_django(stack: Stack, chosen: argparse.Namespace) -> None:
    """Tables, people and rooms, then Daphne and the outbox."""
    python = sys.executable
    stack.run(python, "manage.py", "demo")
    daphne = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(chosen.port)]
    stack.start("daphne", python, *daphne, "--ping-interval", "25", "--ping-timeout", "60", "example.asgi:application")
    stack.start("outbox", python, "manage.py", "moorline_outbox", "--interval", "0.2")
    stack.wait_for("daphne", chosen.port, "/login/")


def main() -> None:
    """Starts all and waits."""
    chosen = arguments()
    chosen.folder = chosen.folder.resolve()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name in ("port", "moorline_port", "redis_port"):
        setattr(chosen, name, getattr(chosen, name) or free_port())
    chosen.postgres_port = free_port()
    # Also where SIGINT came ignored, as in the background of a shell.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    stack = Stack(chosen.folder, environment(chosen))
    try:
        start_redis(stack, chosen)
        if chosen.postgres:
            postgres.start(stack, chosen, secret(chosen.folder, "postgres.password"))
        start_moorline(stack, chosen)
        start_django(stack, chosen)
        print(f"Django    http://127.0.0.1:{chosen.port}/", flush=True)
        print(f"Moorline  http://127.0.0.1:{chosen.moorline_port}/", flush=True)
        print(f"Logs      {chosen.folder}", flush=True)
        print("Stop with Ctrl+C", flush=True)
        raise SystemExit(f"{stack.watch()} ended; see its log in {chosen.folder}")
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
