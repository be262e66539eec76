#!/usr/bin/env python3
"""Runs the Autobahn cases against an echo server: python3 run.py PORT [MESSAGES] (kosoku from PyPI must be importable).

The server is `cargo run --release -p moorline-server --example echo -- --port PORT`. Without MESSAGES the cases 1 to 10
are run. With MESSAGES, against an echo with `--compression`, the cases 12 and 13, which are about compression, each with
so many messages (the suite's own number is 1,000).

Prints a verdict; exits with 1 if a case failed, passed only loosely or did not run.
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = 301
COMPRESSION = 216
FINE = {"OK", "INFORMATIONAL"}
# They offer nothing but a window of 2^9 bytes. One deflated form serves all sockets, so only the whole window is taken,
# and their connections go on without compression.
DECLINED = ("13.3.", "13.5.")


def run(port: int, messages: int | None, reports: Path) -> dict:
    here = Path(__file__).parent
    kosoku = Path(sys.executable).with_name("kosoku")
    if messages is None:
        command = [str(kosoku) if kosoku.exists() else "kosoku", "-x", "12.*", "-x", "13.*"]
    else:
        command = [sys.executable, str(here / "compression.py"), str(messages)]
        command += ["-i", "12.*", "-i", "13.*", "-p", "2"]
    command += ["-o", str(reports), f"ws://127.0.0.1:{port}/_echo"]
    subprocess.run(command, check=False, timeout=600 if messages is None else 60 + 6 * messages)
    servers = json.loads((reports / "index.json").read_text())
    return {case: result for results in servers.values() for case, result in results.items()}


def is_fine(case: str, result: dict) -> bool:
    wanted = {"UNIMPLEMENTED"} if case.startswith(DECLINED) else FINE
    return result["behavior"] in wanted and result["behaviorClose"] in FINE


def main() -> int:
    messages = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as reports:
        results = run(int(sys.argv[1]), messages, Path(reports))
    bad = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if not is_fine(case, result)
    }
    for case, seen in bad.items():
        print(f"case {case}: {seen[0]}, close {seen[1]}")
    kinds = collections.Counter(result["behavior"] for result in results.values())
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    verdict = not bad and len(results) >= (PLAIN if messages is None else COMPRESSION)
    print(f"Autobahn: {len(results)} cases ({told}): {'passed' if verdict else 'FAILED'}")
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
