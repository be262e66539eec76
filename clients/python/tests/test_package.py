"""The package as such: its migrations are complete, and it needs nothing but Django."""

import subprocess
import sys

from starter import HERE, run


def test_the_migrations_are_what_the_models_say() -> None:
    assert run({}, "makemigrations", "--check", "--dry-run") == (0, "No changes detected\n")


def test_it_imports_before_the_apps_are_ready_and_without_channels() -> None:
    program = (
        "import sys; sys.modules['channels'] = sys.modules['redis'] = None\n"
        "import moorline_django, moorline_django.checks.layer\n"
        "print(sorted(name for name in moorline_django.__all__))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{HERE.parent / 'src'}:{':'.join(sys.path[1:])}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "'post_message'" in said.stdout
