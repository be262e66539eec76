"""The whole example, started by its one command, on free ports and in a temporary folder."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres
from people import Site

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def started(folder: Path, *words: str) -> tuple[subprocess.Popen[str], Site]:
    """`run.py`, once it has said where everything is."""
    program = os.environ.get("MOORLINE_BIN") or str(ROOT / "target/release/moorline")
    ports = ["--port", "0", "--moorline-port", "0", "--folder", str(folder), "--moorline", program]
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE.parent / "run.py"), *ports, *words], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    urls: dict[str, str] = {}
    for line in process.stdout:
        name, _, value = line.strip().partition(" ")
        urls[name] = value.strip()
        if name == "Stop":
            return process, Site(urls["Django"].rstrip("/"), urls["Moorline"].rstrip("/"), folder)
    raise AssertionError(f"it did not start: {(folder / 'run.log').read_text()}")


def ended(process: subprocess.Popen[str]) -> None:
    """Ctrl+C."""
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both sides on one PostgreSQL, the chat through Moorline."""
    folder = tmp_path_factory.mktemp("beside")
    process, site = started(folder, "--postgres")
    yield site
    ended(process)
    shutil.rmtree(postgres.home_of(folder))


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """Both sides on SQLite, for one test, which may break parts of it."""
    process, site = started(tmp_path)
    yield site
    ended(process)


@pytest.fixture
def old_site(tmp_path: Path) -> Iterator[Site]:
    """The chat as it was before the move: through Django alone."""
    process, site = started(tmp_path, "--through", "django")
    yield site
    ended(process)
