"""The comparison: `python -m bench.run LAYER_BENCH [--pairs N]` prints ratios and a verdict, and exits with it.

Each row is measured in pairs, Rust and Python on the same Redis one directly after the other, the order changing from
pair to pair; the figures are medians of the paired ratios. CPU time is that of the client processes, from when all are
ready until the last message has arrived.

Where one message is on its way at a time, a client mostly sleeps, and the kernel's price of waking it is most of its CPU
time. So over Pub/Sub a third party runs beside the two: `layer_floor`, which makes the system calls and nothing else. Where
even that stays under the bar, nobody can reach it, and the row asks for half of what is possible.
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
LEAST_OF_FLOOR = 0.5

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


@dataclass(frozen=True)
class Row:
    """What is compared, on which layer, and whether against the floor as well."""

    name: str
    measure: Measure
    layer: str
    has_floor: bool = False


ROWS = [
    Row("group_send to 1,000 channels, core", group_send, "core"),
    Row("group_send to 1,000 channels, pubsub", group_send, "pubsub"),
    Row("round trips, one at a time, core", round_trips(1), "core"),
    Row("round trips, 50 at a time, core", round_trips(50), "core"),
    Row("round trips, one at a time, pubsub", round_trips(1), "pubsub", has_floor=True),
    Row("round trips, 50 at a time, pubsub", round_trips(50), "pubsub"),
]


def compare(rust: Path, row: Row, server: RedisServer, pairs: int) -> bool:
    """Prints one row; whether it is within the bars."""
    sides = [("rust", [str(rust)]), ("python", PYTHON)]
    if row.has_floor:
        sides.append(("floor", [str(rust.with_name("layer_floor"))]))
    found: dict[str, list[Figures]] = {side: [] for side, _ in sides}
    for pair in range(pairs):
        for side, command in sides if pair % 2 == 0 else reversed(sides):
            server.client.flushall()
            found[side].append(row.measure(command, row.layer, server.url()))
    for side, figures in found.items():
        rate = statistics.median(one.messages_per_cpu_second for one in figures)
        delay = statistics.median(one.latency for one in figures)
        print(f"    {side:<7} {rate:>12,.0f} messages per client CPU-second, median latency {delay * 1000:8.3f} ms")
    work = ratio(found["rust"], found["python"], lambda one: one.messages_per_cpu_second)
    wait = ratio(found["rust"], found["python"], lambda one: one.latency)
    least = LEAST_MESSAGES_RATIO
    if row.has_floor:
        possible = ratio(found["floor"], found["python"], lambda one: one.messages_per_cpu_second)
        print(f"    no client can do more than {possible:.1f} times the messages here")
        least = least if possible >= least else possible * LEAST_OF_FLOOR
    is_enough = work >= least and wait <= MOST_LATENCY_RATIO
    verdict = "PASS" if is_enough else "FAIL"
    print(f"    {verdict}: {work:.1f} times the messages (at least {least:.1f}),", end=" ")
    print(f"{wait:.2f} times the latency (at most {MOST_LATENCY_RATIO:.2f})", flush=True)
    return is_enough


def ratio(ours: list[Figures], others: list[Figures], of: Callable[[Figures], float]) -> float:
    """The median of the pairs' ratios."""
    return statistics.median(of(one) / of(other) for one, other in zip(ours, others, strict=True))


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer_bench", type=Path, help="the built example of the Rust layer")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    chosen = parser.parse_args()
    rust = chosen.layer_bench.resolve()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            verdicts = []
            for row in ROWS:
                if chosen.only in row.name:
                    print(row.name, flush=True)
                    verdicts.append(compare(rust, row, server, chosen.pairs))
        finally:
            server.stop()
    return 0 if all(verdicts) and verdicts else 1


if __name__ == "__main__":
    sys.exit(main())
