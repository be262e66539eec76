"""The four pages to begin with, done as they say by a stranger: every command, every file, in their order, with the built server.

What a page can only give an example of (a database's address, a public port) is said here; everything else stands in the page
itself. `stranger.py` tells how a block is done.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import Services
from stranger import ROOT, Stranger, blocks

DOCS = ROOT / "docs"
PROGRAM = Path(os.environ.get("MOORLINE_BIN") or ROOT / "target/release/moorline").resolve()
BEGIN = ("start-chat.md", "start-django.md", "start-frontend.md", "start-operator.md")
LEFT_OUT_AT_MOST = 1
"""Blocks of a page that are not run."""


def events(stranger: Stranger, room: str, key: Path, port: int = 8000) -> list[str]:
    """The bodies of a room's messages."""
    asked = urllib.request.Request(
        stranger.url(f"/api/v1/rooms/{room}/events", port), headers={"Authorization": f"Bearer {key.read_text().strip()}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return [event["body"] for event in json.load(answer)["events"] if event.get("body")]


def look(*words: str) -> None:
    """A browser, which does what look.mjs tells."""
    done = subprocess.run(["node", str(ROOT / "tests/docs/look.mjs"), *words], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """A PostgreSQL and a Redis of this test's own."""
    with Services(tmp_path / "services") as started:
        yield started


@pytest.mark.timeout(400)
def test_just_a_chat(tmp_path: Path) -> None:
    with Stranger(tmp_path, PROGRAM) as stranger:
        stranger.follow(DOCS / "start-chat.md")
        assert (stranger.home / "chat-again/moorline.db").exists()
        with urllib.request.urlopen(stranger.url("/"), timeout=30) as page:
            assert b"<title>Moorline</title>" in page.read()


@pytest.mark.timeout(400)
def test_a_django_project(tmp_path: Path) -> None:
    ports = {"examples/django/run.py": "examples/django/run.py --port 8001 --moorline-port 8000"}
    with Stranger(tmp_path, PROGRAM, ports) as stranger:
        stranger.follow(DOCS / "start-django.md")
        assert events(stranger, "orders", stranger.cwd / "api.key") == ["Order 4711 is paid."]
        look("read", stranger.url("/", 8001), "Order 4711 is paid.", "ann", "ann-has-a-password")


@pytest.mark.timeout(400)
def test_a_page_of_ones_own(tmp_path: Path) -> None:
    with Stranger(tmp_path, PROGRAM) as stranger:
        stranger.follow(DOCS / "start-frontend.md")
        look("write", stranger.url("/", 5173).replace("127.0.0.1", "localhost"), "Good morning")
        assert events(stranger, "support-42", stranger.home / "api.key") == ["Good morning"]


@pytest.mark.timeout(400)
def test_many_nodes(tmp_path: Path, services: Services) -> None:
    here = {
        "postgres://moorline_user:password@db.example/moorline": services.database_url,
        "redis://:password@redis.example:6379/0": services.redis_url,
        "--bind 0.0.0.0": "--bind 127.0.0.1",
        "--metrics-bind 10.0.0.5:9100": "--metrics-bind 127.0.0.1:0",
    }
    with Stranger(tmp_path, PROGRAM, here) as stranger:
        stranger.follow(DOCS / "start-operator.md")
        assert len(stranger.running) == 2


def test_nearly_nothing_is_left_out() -> None:
    for name in BEGIN:
        page = blocks(DOCS / name)
        assert sum(block.language == "sh" for block in page) >= 2, name
        assert sum(block.left_out is not None for block in page) <= LEFT_OUT_AT_MOST, name


PLANTED = {
    "a command that fails": ("```sh\nmoorline backup --no-such-option\n```\n", "line 1: exit"),
    "a program that nobody installed": ("```sh\nmoorline --version\n```\n", "line 1: exit 127"),
    "the middle of a pipe": ("```sh\nfalse | true\n```\n", "line 1: exit 1"),
    "a server that does not start": ("\n```sh\ncargo run --release -- serve --bind nowhere\n```\n", "line 2: cargo run"),
    "a block of no language": ("```\ntrue\n```\n", "is neither typed"),
    "a file without a name": ("```python\nprint()\n```\n", "is neither typed"),
    "an excuse": ("<!-- not run: it is late -->\n```sh\nfalse\n```\n", "is no reason"),
    "a command in a list": ("1. So:\n\n    ```sh\n    false\n    ```\n", "line 3: exit 1"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mistake_is_found_out(planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the tests above."""
    monkeypatch.setattr("stranger.copy_of_the_repository", Path.mkdir)
    text, complaint = PLANTED[planted]
    page = tmp_path / "planted.md"
    page.write_text(text)
    with Stranger(tmp_path, PROGRAM) as stranger, pytest.raises(AssertionError, match=complaint):
        stranger.follow(page)


def test_a_page_that_says_something_else_now_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stranger.copy_of_the_repository", Path.mkdir)
    page = tmp_path / "planted.md"
    page.write_text("```sh\ntrue\n```\n")
    with Stranger(tmp_path, PROGRAM, {"--bind 0.0.0.0": ""}) as stranger, pytest.raises(AssertionError, match="says no longer"):
        stranger.follow(page)
