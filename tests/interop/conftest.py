"""Fixtures: who is tested, the Redis servers, and the world in which a test opens its peers.

`--subject rust` (the default) is the Rust driver, found by MOORLINE_LAYER_DRIVER or in the build
folder; `--subject python` is its Python twin, which proves the tests; `--subject python:FAULT` is
the twin with a planted fault.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from parties.peer import LayerError
from parties.redis_server import RedisServer
from parties.world import Subject, World

HERE = Path(__file__).parent
REFUTED = (AssertionError, LayerError, TimeoutError, pytest.fail.Exception)
"""How a test says that a promise was not kept, in contrast to being broken itself."""

BUILT = HERE.parents[1] / "target/release/examples/layer_driver"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's own options."""
    parser.addoption("--subject", default="rust", help="rust, python, or python:FAULT")
    parser.addoption("--long", action="store_true", help="the long form")


def subject_of(config: pytest.Config) -> Subject:
    """The program under test."""
    name = config.getoption("--subject")
    if name == "rust":
        program = os.environ.get("MOORLINE_LAYER_DRIVER", str(BUILT))
        return Subject("rust", [program])
    kind, _, fault = name.partition(":")
    assert kind == "python", f"--subject is rust, python or python:FAULT, not {name}"
    words = ["--fault", fault] if fault else []
    return Subject("python", [sys.executable, "-m", "parties.twin", *words])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Turns the marks into what they mean for this subject."""
    is_python = subject_of(config).name == "python"
    for item in items:
        if is_python and item.get_closest_marker("better"):
            reason = "better than the original"
            item.add_marker(pytest.mark.xfail(raises=REFUTED, strict=True, reason=reason))
        if is_python and item.get_closest_marker("moorline"):
            item.add_marker(pytest.mark.skip(reason="only the Rust driver has it"))
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="only with --long"))


@pytest.fixture(scope="session")
def subject(pytestconfig: pytest.Config) -> Subject:
    """The program under test."""
    return subject_of(pytestconfig)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """Three servers that the tests of one worker share, one after the other."""
    folder = tmp_path_factory.mktemp("redis")
    found = [RedisServer(folder / str(number)) for number in range(3)]
    for server in found:
        server.start()
    yield found
    for server in found:
        server.stop()


@pytest.fixture
async def world(
    subject: Subject, servers: list[RedisServer], tmp_path: Path
) -> AsyncIterator[World]:
    """Empty servers, and peers that are closed when the test is over."""
    for server in servers:
        server.client.flushall()
    world = World(subject, servers, tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def own_world(subject: Subject, tmp_path: Path) -> AsyncIterator[World]:
    """A world with one server of its own, which the test may stop, freeze or configure."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    world = World(subject, [server], tmp_path)
    yield world
    await world.close()
    server.stop()
