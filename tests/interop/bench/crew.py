"""Processes of one side of the comparison: starts them, talks to them and reads their CPU time.

`run` uses it for both sides alike.
"""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PYTHON = [sys.executable, "-m", "bench.worker"]
HERE = Path(__file__).parents[1]


class Worker:
    """One process in one role."""

    def __init__(self, command: list[str], words: list[Any]) -> None:
        self.process = subprocess.Popen(
            [*command, *map(str, words)], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.process.args!r} ended"
        return line.strip()

    def tell(self, line: str) -> None:
        """A line for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def seconds(self) -> float:
        """The CPU time of all its threads so far, to the nanosecond, user and system."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


class Crew:
    """The processes of one measurement; all are gone at the end."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()

    def start(self, *words: Any) -> Worker:
        """One more process."""
        worker = Worker(self.command, list(words))
        self.workers.append(worker)
        return worker

    def finish(self, *workers: Worker) -> None:
        """Waits until these are done."""
        for worker in workers:
            assert worker.hear() == "done"

    def seconds(self) -> float:
        """The CPU time of all."""
        return sum(worker.seconds() for worker in self.workers)


def seen(worker: Worker) -> list[float]:
    """What a process saw that is done, in seconds."""
    worker.tell("go")
    found: list[float] = json.loads(worker.hear())
    return found
