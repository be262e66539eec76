"""The comparison: `python -m bench.run LAYER_BENCH [--pairs N]` prints ratios and a verdict, and exits with it.

Each row is measured in pairs, Rust and Python on the same Redis one directly after the other, the order changing from
pair to pair; the figures are medians of the paired ratios. CPU time is that of the client processes, from when all are
ready until the last message has arrived.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parties.redis_server import RedisServer

from .crew import PYTHON, Crew, seen

LEAST_MESSAGES_RATIO = 10.0
MOST_LATENCY_RATIO = 1.0

PROCESSES, CHANNELS = 10, 100
GROUP_SENDS, PACE_MS = 20, 150
ROUND_TRIPS = 2000


@dataclass(frozen=True)
class Figures:
    """One side of one pair."""

    messages_per_cpu_second: float
    latency: float


def group_send(command: list[str], layer: str, url: str) -> Figures:
    """One process sends to a group of 1,000 channels in ten others."""
    with Crew(command) as crew:
        members = [
            crew.start("members", layer, url, "g", CHANNELS, GROUP_SENDS, 0) for _ in range(PROCESSES)
        ]
        sender = crew.start("sender", layer, url, "g", 0, GROUP_SENDS, PACE_MS)
        for worker in crew.workers:
            assert worker.hear() == "ready"
        before = crew.seconds()
        sender.tell("go")
        crew.finish(*crew.workers)
        used = crew.seconds() - before
        latencies = [one for worker in members for one in seen(worker)]
    assert len(latencies) == PROCESSES * CHANNELS * GROUP_SENDS, "messages are missing"
    return Figures(len(latencies) / used, statistics.median(latencies))


def round_trips(conversations: int) -> "Measure":
    """Two processes send messages to and fro, so many conversations at once."""

    def measure(command: list[str], layer: str, url: str) -> Figures:
        each = ROUND_TRIPS // conversations
        with Crew(command) as crew:
            echo = crew.start("echo", layer, url, "g", conversations, each, 0)
            ping = crew.start("ping", layer, url, "g", conversations, each, 0)
            channels = echo.hear()
            assert ping.hear() == "ready"
            before = crew.seconds()
            ping.tell(channels)
            crew.finish(echo, ping)
            used = crew.seconds() - before
            latencies = seen(ping)
        assert len(latencies) == each * conversations, "messages are missing"
        return Figures(2 * len(latencies) / used, statistics.median(latencies))

    return measure


Measure = Callable[[list[str], str, str], Figures]
ROWS: list[tuple[str, Measure, str]] = [
    ("group_send to 1,000 channels, core", group_send, "core"),
    ("group_send to 1,000 channels, pubsub", group_send, "pubsub"),
    ("round trips, one at a time, core", round_trips(1), "core"),
    ("round trips, 50 at a time, core", round_trips(50), "core"),
    ("round trips, one at a time, pubsub", round_trips(1), "pubsub"),
    ("round trips, 50 at a time, pubsub", round_trips(50), "pubsub"),
]


def compare(rust: list[str], measure: Measure, layer: str, server: RedisServer, pairs: int) -> bool:
    """Prints one row; whether it is within the bars."""
    found: dict[str, list[Figures]] = {"rust": [], "python": []}
    for pair in range(pairs):
        sides = [("rust", rust), ("python", PYTHON)]
        for side, command in sides if pair % 2 == 0 else reversed(sides):
            server.client.flushall()
            found[side].append(measure(command, layer, server.url()))
    both = list(zip(found["rust"], found["python"], strict=True))
    work = statistics.median(one.messages_per_cpu_second / other.messages_per_cpu_second for one, other in both)
    wait = statistics.median(one.latency / other.latency for one, other in both)
    for side, figures in found.items():
        rate = statistics.median(one.messages_per_cpu_second for one in figures)
        delay = statistics.median(one.latency for one in figures)
        print(f"    {side:<7} {rate:>12,.0f} messages per client CPU-second, median latency {delay * 1000:8.3f} ms")
    is_enough = work >= LEAST_MESSAGES_RATIO and wait <= MOST_LATENCY_RATIO
    verdict = "PASS" if is_enough else "FAIL"
    print(f"    {verdict}: {work:.1f} times the messages (at least {LEAST_MESSAGES_RATIO:.0f}),", end=" ")
    print(f"{wait:.2f} times the latency (at most {MOST_LATENCY_RATIO:.2f})", flush=True)
    return is_enough


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer_bench", type=Path, help="the built example of the Rust layer")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    chosen = parser.parse_args()
    rust = [str(chosen.layer_bench.resolve())]
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            verdicts = []
            for name, measure, layer in ROWS:
                if chosen.only in name:
                    print(name, flush=True)
                    verdicts.append(compare(rust, measure, layer, server, chosen.pairs))
        finally:
            server.stop()
    return 0 if all(verdicts) and verdicts else 1


if __name__ == "__main__":
    sys.exit(main())
