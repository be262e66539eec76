"""What a delivery and a message cost: this chat on Daphne, Channels and channels_redis, and the same on Moorline, in one run.

    python examples/django/bench.py --moorline target/release/moorline

A room of 1,000 people, and 25 rooms of two. Counted is processor time of the server and of its Redis, from /proc; both
store in SQLite, inside the process, so the database counts on both sides. Needs Linux and a quiet machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from load import Crowd, Socket, opened
from run import ROOT, Stack, environment, free_port, program, secret, start_redis

PAIRS = 25
WINDOWS = {"daphne": 4, "moorline": 100}
"""Texts on their way in the large room. With 50, Daphne does not come to an end."""
TICKS = os.sysconf("SC_CLK_TCK")
FANOUT_BAR, DIRECT_BAR = 500, 40


class Side:
    """One server with a Redis of its own."""

    def __init__(self, folder: Path, moorline: str | None, through: str) -> None:
        folder.mkdir()
        words: dict[str, Any] = {"folder": folder, "moorline": moorline, "through": through, "postgres": False}
        words |= {name: free_port() for name in ("port", "moorline_port", "redis_port")}
        self.chosen = argparse.Namespace(**words)
        for name in ("api.key", "jwt.secret"):
            secret(folder, name)
        self.stack = Stack(folder, environment(self.chosen))
        start_redis(self.stack, self.chosen)

    def seconds(self) -> float:
        """Processor time of all its parts until now."""
        return sum(processor_seconds(process.pid) for process in self.stack.parts.values())


def processor_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def daphne(folder: Path, people: int) -> tuple[Side, dict[str, Any]]:
    """The chat as it was: consumer, ORM, group_send. And the cookies of its people."""
    side = Side(folder, None, "django")
    side.stack.run(sys.executable, "manage.py", "migrate", "--verbosity", "0")
    words = [sys.executable, "manage.py", "crowd", "--people", str(people), "--pairs", str(PAIRS)]
    said = subprocess.run(
        words, cwd=Path(__file__).parent, env=side.stack.environment, stdout=subprocess.PIPE, text=True, check=True
    )
    serve = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(side.chosen.port), "--access-log", os.devnull]
    side.stack.start("daphne", sys.executable, *serve, "example.asgi:application")
    side.stack.wait_for("daphne", side.chosen.port, "/login/")
    return side, json.loads(said.stdout)


def moorline(folder: Path, path: str | None, people: int) -> tuple[Side, dict[str, Any]]:
    """Moorline on a Redis, with the same rooms. And the tokens of its people."""
    side = Side(folder, path, "moorline")
    name = program(path, "moorline", ROOT / "target/release/moorline", "cargo build --release, or --moorline PATH")
    words = ["serve", "--port", str(side.chosen.moorline_port), "--data-dir", str(folder / "data")]
    words += ["--database-url", "sqlite", "--api-key-file", str(folder / "api.key")]
    words += ["--jwt-secret-file", str(folder / "jwt.secret")]
    side.stack.start("moorline", name, *words)
    side.stack.wait_for("moorline", side.chosen.moorline_port, "/readyz")
    return side, moorline_people(side, people)


def moorline_people(side: Side, people: int) -> dict[str, Any]:
    """Made by the package, as a project would."""
    from django.conf import settings

    files = {
        "API_KEY_FILE": str(side.chosen.folder / "api.key"),
        "JWT_SECRET_FILE": str(side.chosen.folder / "jwt.secret"),
    }
    settings.configure(MOORLINE={"URL": f"http://127.0.0.1:{side.chosen.moorline_port}", **files})
    from moorline_django import add_member, create_room, put_user, token

    def room(name: str, count: int) -> list[str]:
        members = [f"{name}-{number}" for number in range(count)]
        create_room(name, name=name)
        for member in members:
            put_user(member, member)
            add_member(name, member)
        return [token(member) for member in members]

    return {"crowd": room("crowd", people), "pairs": [room(f"pair-{number}", 2) for number in range(PAIRS)]}


async def at_daphne(side: Side, cookies: list[str], room: str) -> Crowd:
    """Sockets of the consumer."""
    host = f"http://127.0.0.1:{side.chosen.port}"
    sockets = []
    for cookie in cookies:
        socket = await opened(side.chosen.port, "/ws/chat/", {"Cookie": f"sessionid={cookie}", "Origin": host})
        await socket.until('"type": "welcome"')
        sockets.append(socket)
    return Crowd(sockets, lambda socket, text: socket.say({"type": "send", "room": room, "body": text}))


async def at_moorline(side: Side, tokens: list[str], room: str) -> Crowd:
    """Sockets of Moorline."""
    sockets = []
    for made in tokens:
        socket = await opened(side.chosen.moorline_port, "/ws", {})
        socket.say({"type": "hello", "token": made})
        await socket.until('"type":"welcome"')
        sockets.append(socket)

    def write(socket: Socket, text: str) -> None:
        socket.say({"type": "send", "room": room, "cid": os.urandom(16).hex(), "body": text})

    return Crowd(sockets, write)


async def measured(
    side: Side, enter: Any, people: dict[str, Any], fanout: int, direct: int, window: int
) -> dict[str, float]:
    """Deliveries in the large room, and messages in the small ones, for each second of the processor."""
    crowd = await enter(side, people["crowd"], "crowd")
    began, clock = side.seconds(), time.monotonic()
    await crowd.messages(fanout, window=window)
    spent, took = side.seconds() - began, time.monotonic() - clock
    assert crowd.is_even(fanout), "somebody missed something or had it twice"
    size = len(people["crowd"])
    result = {"deliveries": fanout * size / spent, "fanout_spent": spent, "fanout_took": took}
    for socket in crowd._sockets:
        socket.close()
    pairs = [await enter(side, pair, f"pair-{number}") for number, pair in enumerate(people["pairs"])]
    began, clock = side.seconds(), time.monotonic()
    await asyncio.gather(*(pair.messages(direct, window=4) for pair in pairs))
    spent, took = side.seconds() - began, time.monotonic() - clock
    assert all(pair.is_even(direct) for pair in pairs)
    return {**result, "messages": direct * len(pairs) / spent, "direct_spent": spent, "direct_took": took}


def main() -> int:
    """Both in turn, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moorline", default=os.environ.get("MOORLINE_BIN"), help="the program")
    parser.add_argument("--people", type=int, default=1000, help="in the large room")
    parser.add_argument(
        "--fanout", type=int, default=20, help="texts in the large room on Daphne; Moorline gets 100 times"
    )
    parser.add_argument(
        "--direct", type=int, default=20, help="texts in each small room on Daphne; Moorline gets 40 times"
    )
    parser.add_argument("--same-window", action="store_true", help="Moorline as little busy as Daphne has to be")
    chosen = parser.parse_args()
    windows = {**WINDOWS, "moorline": WINDOWS["daphne" if chosen.same_window else "moorline"]}
    sys.path.insert(0, str(ROOT / "clients/python/src"))
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        for name, factor in (("daphne", (1, 1)), ("moorline", (100, 40))):
            make = (lambda at: daphne(at, chosen.people)) if name == "daphne" else None
            side, people = (
                make(Path(folder) / name) if make else moorline(Path(folder) / name, chosen.moorline, chosen.people)
            )
            enter = at_daphne if name == "daphne" else at_moorline
            try:
                results[name] = asyncio.run(
                    measured(side, enter, people, chosen.fanout * factor[0], chosen.direct * factor[1], windows[name])
                )
            finally:
                side.stack.stop()
    return verdict(results, chosen.people)


def verdict(results: dict[str, dict[str, float]], people: int) -> int:
    """The table, and 1 where a bar is not reached."""
    failed = False
    rows = [("deliveries", f"deliveries per CPU-second, room of {people}", "fanout", FANOUT_BAR)]
    rows += [("messages", f"messages per CPU-second, {PAIRS} rooms of two", "direct", DIRECT_BAR)]
    for key, title, part, bar in rows:
        old, new = results["daphne"], results["moorline"]
        ratio = new[key] / old[key]
        failed |= ratio < bar
        print(title)
        for name, one in results.items():
            print(f"  {name:9} {one[key]:12,.0f}   {one[f'{part}_spent']:6.2f} CPU-s in {one[f'{part}_took']:6.2f} s")
        print(f"  ratio     {ratio:12,.0f}   at least {bar}: {'ok' if ratio >= bar else 'TOO LITTLE'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
