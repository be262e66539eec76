"""A PostgreSQL of its own for `run.py --postgres`, on the loopback and with a password; Django and Moorline share its database.

PostgreSQL refuses to run as root, so there it runs as `postgres`, in a folder that this user may reach.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

USER = "moorline"
DATABASE = "postgres"
AS_NOBODY = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def url(chosen: argparse.Namespace, password: str) -> str:
    """What both sides get as DATABASE_URL."""
    return f"postgres://{USER}:{password}@127.0.0.1:{chosen.postgres_port}/{DATABASE}"


def start(stack: Any, chosen: argparse.Namespace, password: str) -> None:
    """Makes its files once, and starts it."""
    before = AS_NOBODY if os.geteuid() == 0 else []
    home = home_of(chosen.folder)
    data = home / "data"
    if not data.exists():
        initialise(before, home, data, password)
    words = [
        str(path("postgres")),
        "-D",
        str(data),
        "-h",
        "127.0.0.1",
        "-p",
        str(chosen.postgres_port),
        "-k",
        str(home),
    ]
    stack.start("postgres", *before, *words)
    stack.wait_for("postgres", chosen.postgres_port)


def home_of(folder: Path) -> Path:
    """Where its files lie."""
    if os.geteuid() != 0:
        home = folder / "postgres"
        home.mkdir(exist_ok=True)
        return home
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    home = Path(tempfile.gettempdir()) / f"moorline-example-{mark}"
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(home, "postgres", "postgres")
    return home


def initialise(before: list[str], home: Path, data: Path, password: str) -> None:
    """initdb, the password by a file that is gone afterwards."""
    words = [str(path("initdb")), "-D", str(data), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
    file = home / "password"
    file.touch(mode=0o600)
    file.write_text(password + "\n")
    if before:
        shutil.chown(file, "postgres", "postgres")
    try:
        made = [*before, *words, "--auth=scram-sha-256", f"--pwfile={file}"]
        subprocess.run(made, cwd="/", check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    finally:
        file.unlink()


def path(name: str) -> Path:
    """One of its programs, of the newest version that is installed."""
    found = shutil.which(name)
    if found:
        return Path(found)
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda one: int(one.parts[4]))
    if not installed:
        raise SystemExit(f"{name} is missing: apt-get install postgresql")
    return installed[-1]
