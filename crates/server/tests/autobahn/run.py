#!/usr/bin/env python3
"""Runs the Autobahn cases against an echo server: python3 run.py PORT (kosoku from PyPI must be importable).

The server is `cargo run --release -p moorline-server --example echo -- --port PORT`. Prints a verdict; exits with 1
if a case failed, passed only loosely or did not run. Cases 12 and 13 are about compression, which is not offered.
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = 301
FINE = {"OK", "INFORMATIONAL"}


def run(port: int, reports: Path) -> dict:
    kosoku = Path(sys.executable).with_name("kosoku")
    command = [str(kosoku) if kosoku.exists() else "kosoku", "-x", "12.*", "-x", "13.*"]
    command += ["-o", str(reports), f"ws://127.0.0.1:{port}/_echo"]
    subprocess.run(command, check=False, timeout=600)
    servers = json.loads((reports / "index.json").read_text())
    return {case: result for results in servers.values() for case, result in results.items()}


def main() -> int:
    with tempfile.TemporaryDirectory() as reports:
        results = run(int(sys.argv[1]), Path(reports))
    bad = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if not {result["behavior"], result["behaviorClose"]} <= FINE
    }
    for case, seen in bad.items():
        print(f"case {case}: {seen[0]}, close {seen[1]}")
    kinds = collections.Counter(result["behavior"] for result in results.values())
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    verdict = not bad and len(results) >= CASES
    print(f"Autobahn: {len(results)} cases ({told}): {'passed' if verdict else 'FAILED'}")
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
