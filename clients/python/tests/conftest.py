"""Fixtures: Django with a database of its own for each worker, and a real Moorline.

The server is found by MOORLINE_BIN or in the build folder. Nothing is shared between workers.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import Moorline

_folder = tempfile.TemporaryDirectory(prefix="moorline-django-")


def pytest_configure() -> None:
    """Sets Django up before any test module is imported."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    os.environ["TEST_DATABASE"] = str(Path(_folder.name) / "db.sqlite3")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def pytest_report_header() -> str:
    """Which Django is tested."""
    import django

    return f"Django {django.get_version()}, Python {sys.version.split()[0]}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moorline]:
    """A server for all tests of a worker, which use rooms of their own."""
    running = Moorline(tmp_path_factory.mktemp("moorline")).start()
    yield running
    running.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Moorline]:
    """A server that the test may kill and start again."""
    running = Moorline(tmp_path / "moorline").start()
    yield running
    running.kill()


@pytest.fixture
def configured(server: Moorline) -> Iterator[Moorline]:
    """`MOORLINE` points at the shared server."""
    from django.test.utils import override_settings

    with override_settings(MOORLINE=server.settings()):
        yield server


@pytest.fixture
def empty_outbox() -> Iterator[None]:
    """No rows before and after."""
    from moorline_django.models import OutboxMessage

    OutboxMessage.objects.all().delete()
    yield
    OutboxMessage.objects.all().delete()
