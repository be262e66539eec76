"""A stranger who types what a page of docs/ says, in its order, in a copy of the repository.

`test_begin.py` and `test_snippets.py` send them through the pages. A block of `sh` is typed, one of any other language that begins
with the name of a file is written into that file, and `text` is only to be read. A command that stays in the foreground is
left running, as in a terminal of its own. Nothing is passed over but what its page marks with a reason of REASONS.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds for what takes one; a machine may be busy."""
REASONS = {"needs a domain", "needs Docker", "compiles for minutes"}
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)[^\n`]*\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"<!-- not run: (.+?) -->\s*$")
FILE = re.compile(r"^(?:#|//|<!--) (?P<name>[\w./-]+\.\w+)(?P<end>, at its end)?(?: -->)?$")
FOREGROUND = re.compile(r"(\bmoorline|--) serve\b|\brun\.py\b|\bvite --port\b|\brunserver\b")
PORTS = re.compile(r"(?:port|runserver) (\d+)")
NOT_COPIED = (".git", "target", "node_modules", "dist", "__pycache__", ".venv", "moorline-data", "results")


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it stands."""

    where: str
    language: str
    text: str
    left_out: str | None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    text = page.read_text()
    found = []
    for fence in FENCE.finditer(text):
        mark = MARK.search(text[: fence.start()])
        where = f"{page.name}, line {text.count(chr(10), 0, fence.start()) + 1}"
        found.append(Block(where, fence["language"], textwrap.dedent(fence["text"]), mark[1] if mark else None))
    return found


def commands(text: str) -> list[str]:
    """The commands of a block; a line that ends in a backslash goes on."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def copy_of_the_repository(folder: Path) -> None:
    """What somebody has who has just fetched it: nothing that was built or installed."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)


CARGO = """#!/bin/sh
# Stands for cargo, so that nothing is compiled twice: what it would make is the program that the tests were given.
case "$*" in
    "build --release") mkdir -p target/release && ln -sf "{program}" target/release/moorline ;;
    "install --locked --path crates/moorline") test -f crates/moorline/Cargo.toml && ln -sf "{program}" "{bin}/moorline" ;;
    "run --release -- "*) shift 3; exec "{program}" "$@" ;;
    "xtask test") test -d xtask ;; # This test is a step of it.
    *) echo "no page may ask for: cargo $*" >&2; exit 1 ;;
esac
"""


@dataclass
class Running:
    """A command in the foreground of a terminal of its own."""

    command: str
    ports: set[int]
    log: Path
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """Ctrl+C, and the end of the terminal where that does not help."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Stranger:
    """Types what stands in pages. `says` puts what is here in the place of what a page can only give an example of."""

    folder: Path
    program: Path
    says: dict[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    typed: int = 0

    def __post_init__(self) -> None:
        assert self.program.exists(), f"{self.program} is not built: cargo build --release, or name another one in MOORLINE_BIN"
        self.home = self.folder / "repository"
        copy_of_the_repository(self.home)
        self.cwd = self.home
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        cargo = bin_folder / "cargo"
        cargo.write_text(CARGO.format(program=self.program, bin=bin_folder))
        cargo.chmod(0o755)
        self.ports = {name: free_port() for name in (8000, 8001, 5173)}
        ours = ("MOORLINE", "DATABASE_URL", "REDIS_URL", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment |= {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "MOORLINE_PORT": str(self.ports[8000]),
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_prefer_offline": "true",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",
        }

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self.running):
            one.end()

    def url(self, path: str, port: int = 8000) -> str:
        """An address as the page names it, as it is here."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def follow(self, page: Path) -> None:
        """Does all that a page says."""
        text = page.read_text()
        gone = [said for said in self.says if said not in text]
        assert gone == [], f"{page.name} says no longer {gone}; tell its test what it says now"
        for block in blocks(page):
            self.do(block)

    def do(self, block: Block) -> None:
        """One block of a page."""
        if block.left_out is not None:
            assert block.left_out in REASONS, f"{block.where}: `{block.left_out}` is no reason not to run it; there are {sorted(REASONS)}"
        elif block.language == "sh":
            for part in self.parts(block):
                self.type(block, part)
            self.typed += 1
        elif block.language != "text":
            self.write(block)

    def parts(self, block: Block) -> list[list[str]]:
        """Commands that end, together; each that stays, by itself."""
        parts: list[list[str]] = [[]]
        for command in map(self.here, commands(block.text)):
            if FOREGROUND.search(command):
                parts += [[command], []]
            else:
                parts[-1].append(command)
        return [part for part in parts if part]

    def here(self, text: str) -> str:
        """A text of a page with this machine's ports and what stands for its examples."""
        for said, meant in self.says.items():
            text = text.replace(said, meant)
        return re.sub(r"\b(8000|8001|5173)\b", lambda port: str(self.ports[int(port[0])]), text)

    def type(self, block: Block, part: list[str]) -> None:
        """Commands in one shell, which hands its folder and its variables on to the next one."""
        if FOREGROUND.search(part[0]):
            return self.leave_running(block, part[0])
        after = self.folder / "after"
        began = time.monotonic()
        script = "\n".join(["set -a -e -o pipefail", *part, f"pwd > {after}.cwd", f"env -0 > {after}.env"])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        logs = "".join(f"\n--- {one.command}\n{one.log.read_text()[-1500:]}" for one in self.running)
        assert done.returncode == 0, f"{block.where}: exit {done.returncode}\n{chr(10).join(part)}\n{done.stdout[-3000:]}{logs}"
        print(f"{time.monotonic() - began:6.1f} s  {block.where}: {part[0]}")
        self.cwd = Path(Path(f"{after}.cwd").read_text().strip())
        self.environment = dict(line.split("=", 1) for line in Path(f"{after}.env").read_text().split("\0") if "=" in line)

    def leave_running(self, block: Block, command: str) -> None:
        """Until it listens. What listened there before is ended first, as one would have to."""
        ports = {int(port) for port in PORTS.findall(command)} or {self.ports[8000]}
        for before in [one for one in self.running if one.ports & ports]:
            before.end()
            self.running.remove(before)
        log = self.folder / f"running-{len(list(self.folder.glob('running-*')))}"
        with log.open("wb") as output:
            words = ["bash", "-c", f"exec {command}"]
            process = subprocess.Popen(
                words, cwd=self.cwd, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.running.append(Running(command, ports, log, process))
        deadline = time.monotonic() + PATIENCE
        while not all(map(listens, ports)):
            over = process.poll() is not None or time.monotonic() > deadline
            assert not over, f"{block.where}: {command}\n{log.read_text()[-3000:]}"
            time.sleep(0.05)

    def write(self, block: Block) -> None:
        """A block that says in its first line which file it is."""
        first, _, rest = block.text.partition("\n")
        named = FILE.match(first)
        assert named, f"{block.where}: a block of `{block.language}` is neither typed nor does it begin with the name of its file"
        path = self.cwd / named["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if named["end"] else "w") as file:
            file.write(self.here("\n" + rest if named["end"] else rest))


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), timeout=1).close()
            return True
        except OSError:
            continue
    return False
