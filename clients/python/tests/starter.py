"""Starts `manage.py` in processes of their own, which tests may kill."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def manage(settings: dict[str, Any], *words: str, **variables: str) -> subprocess.Popen[str]:
    """`manage.py WORDS` with this MOORLINE and the database of this worker."""
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(HERE / "project/manage.py"), *words],
        env={**os.environ, "PYTHONPATH": path, "TEST_MOORLINE": json.dumps(settings), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(settings: dict[str, Any], *words: str) -> tuple[int, str]:
    """The same to its end: how it ended and what it said."""
    process = manage(settings, *words)
    out, error = process.communicate(timeout=50)
    return process.returncode, out + error
