"""`deploy/compose.dev.yml` as text, since no container engine runs where the tests run.

Every name in it is compared with what it names: options and variables with the server's own help, variables of the
example with its settings, services with the hosts in URLs, paths with the repository. And the server is started with the
very command, against a Redis of its own.
"""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy/compose.dev.yml"
PROGRAM = os.environ.get("MOORLINE_BIN") or str(ROOT / "target/release/moorline")
DJANGO = ("django-setup", "django", "outbox")


def interpolated(value: Any, variables: dict[str, str] | None = None) -> Any:
    """`${NAME:-default}` as compose reads it, and `$$` as `$`."""
    if isinstance(value, dict):
        return {key: interpolated(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value

    def filled(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return (variables or {}).get(found["name"]) or found["default"]

    return re.sub(r"\$\$|\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}", filled, value)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = interpolated(yaml.safe_load(FILE.read_text()))["services"]
    return found


@pytest.fixture(scope="module")
def help_text() -> str:
    return subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, check=True).stdout


def options(words: list[str]) -> dict[str, list[str]]:
    """The options of a command with their values."""
    found: dict[str, list[str]] = {}
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            found.setdefault(word, []).append(value)
    return found


def test_nothing_is_left_to_fill_in_and_every_image_is_pinned(services: dict[str, Any]) -> None:
    assert set(services) == {"redis", "postgres", "moorline", *DJANGO}
    text = str(services)
    assert "${" not in text
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag not in ("", "latest"), name
        assert "build" in service or re.match(r"\d", tag), f"{name} is not pinned"


def test_the_servers_options_and_variables_are_the_programs_own(services: dict[str, Any], help_text: str) -> None:
    moorline = services["moorline"]
    known = set(re.findall(r"--[a-z][a-z-]+", help_text))
    used = set(options(moorline["command"]))
    assert used <= known, used - known
    variables = set(moorline["environment"])
    named = set(re.findall(r"\b(?:MOORLINE_[A-Z_]+|[A-Z]+_URL)\b", help_text))
    assert variables <= named, variables - named
    assert {"REDIS_URL", "DATABASE_URL", "MOORLINE_API_KEY", "MOORLINE_JWT_SECRET"} <= variables


def test_a_wrong_option_or_variable_would_be_found(help_text: str) -> None:
    assert "--ping-intervall" not in set(re.findall(r"--[a-z][a-z-]+", help_text))
    assert "MOORLINE_REDIS" not in set(re.findall(r"\bMOORLINE_[A-Z_]+\b", help_text))


def test_pings_are_as_the_first_users_have_them(services: dict[str, Any]) -> None:
    given = options(services["moorline"]["command"])
    assert (given["--ping-interval"], given["--ping-timeout"]) == (["25"], ["60"])
    daphne = (ROOT / "examples/django/Dockerfile").read_text()
    assert '"--ping-interval", "25", "--ping-timeout", "60"' in daphne


def test_ports_are_where_somebody_listens(services: dict[str, Any]) -> None:
    given = options(services["moorline"]["command"])
    assert services["moorline"]["ports"] == [f"127.0.0.1:8000:{given['--port'][0]}"]
    assert given["--bind"] == ["0.0.0.0"], "others in the network could not reach it"
    assert services["django"]["ports"] == ["127.0.0.1:8001:8001"]
    assert '"-p", "8001"' in (ROOT / "examples/django/Dockerfile").read_text()
    for service in services.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "development is for this machine"
    origins = given["--origin"]
    assert {"http://localhost:8000", "http://localhost:8001"} == set(origins)


def test_urls_name_services_their_passwords_and_databases(services: dict[str, Any]) -> None:
    redis, postgres = services["redis"]["environment"], services["postgres"]["environment"]
    for name in ("moorline", *DJANGO):
        variables = services[name]["environment"]
        layer = urlsplit(variables["REDIS_URL"])
        assert (layer.hostname, layer.port, layer.path) == ("redis", 6379, "/0")
        assert layer.password == redis["REDIS_PASSWORD"]
        database = urlsplit(variables["DATABASE_URL"])
        assert (database.hostname, database.path) == ("postgres", f"/{postgres['POSTGRES_DB']}")
        assert (database.username, database.password) == (postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"])


def test_both_sides_share_the_secrets_and_the_names(services: dict[str, Any]) -> None:
    moorline = services["moorline"]
    for name in DJANGO:
        django = services[name]["environment"]
        assert django["CHAT_API_KEY"] == moorline["environment"]["MOORLINE_API_KEY"]
        assert django["CHAT_JWT_SECRET"] == moorline["environment"]["MOORLINE_JWT_SECRET"]
        assert urlsplit(django["CHAT_MOORLINE_URL"]).hostname == "moorline"
    for secret in ("MOORLINE_API_KEY", "MOORLINE_JWT_SECRET"):
        assert len(moorline["environment"][secret]) >= 32, "the server refuses a shorter one on a public address"
    settings = (ROOT / "examples/django/example/settings.py").read_text()
    events = re.search(r'MOORLINE_EVENTS = "([^"]+)"', settings)
    assert events
    assert options(moorline["command"])["--django-events"] == [events[1]]


def test_the_server_asks_the_example_whose_session_it_is(services: dict[str, Any]) -> None:
    asked = urlsplit(options(services["moorline"]["command"])["--auth-url"][0])
    assert (asked.hostname, asked.port) == ("django", 8001)
    assert asked.hostname in services["django"]["environment"]["ALLOWED_HOSTS"].split(",")
    assert f'path("{asked.path.lstrip("/")}", session)' in (ROOT / "examples/django/example/urls.py").read_text()


def test_every_variable_of_the_example_is_read_by_its_settings(services: dict[str, Any]) -> None:
    settings = (ROOT / "examples/django/example/settings.py").read_text()
    for name in services["django"]["environment"]:
        assert name in settings or (name.startswith("CHAT_") and f'"{name[5:]}"' in settings), name


def test_other_secrets_from_the_environment_reach_everybody(services: dict[str, Any]) -> None:
    own = {"REDIS_PASSWORD": "r1", "POSTGRES_PASSWORD": "p1", "MOORLINE_API_KEY": "k1", "MOORLINE_JWT_SECRET": "j1"}
    filled = interpolated(yaml.safe_load(FILE.read_text()), own)["services"]
    assert ":r1@" in filled["moorline"]["environment"]["REDIS_URL"]
    assert ":p1@" in filled["outbox"]["environment"]["DATABASE_URL"]
    assert filled["django"]["environment"]["CHAT_API_KEY"] == filled["moorline"]["environment"]["MOORLINE_API_KEY"]
    assert filled["redis"]["environment"]["REDIS_PASSWORD"] == "r1"
    assert filled["postgres"]["environment"]["POSTGRES_PASSWORD"] == "p1"
    for old in ("dev-redis", "dev-postgres", "dev-api", "dev-jwt"):
        assert old not in str(filled)


def test_who_waits_for_whom_is_there_and_has_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert services["moorline"]["depends_on"].keys() == {"redis", "postgres"}


def test_paths_of_builds_and_volumes_exist(services: dict[str, Any]) -> None:
    volumes = set(yaml.safe_load(FILE.read_text())["volumes"])
    for service in services.values():
        if "build" in service:
            context = (FILE.parent / service["build"]["context"]).resolve()
            assert context == ROOT
            docker = context / service["build"]["dockerfile"]
            for line in docker.read_text().splitlines():
                if line.startswith("COPY ") and "--from=" not in line:
                    for source in line.split()[1:-1]:
                        assert (context / source).exists(), f"{docker.name} copies {source}"
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in volumes
    assert "manage.py moorline_outbox" in " ".join(services["outbox"]["command"])
    assert (ROOT / "clients/python/src/moorline_django/management/commands/moorline_outbox.py").exists()
    assert (ROOT / "examples/django/chat/management/commands/demo.py").exists()


def test_the_images_toolchain_is_the_repositorys() -> None:
    channel = re.search(r'channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text())
    assert channel
    image = re.search(r"FROM rust:([\d.]+)-", (ROOT / "deploy/Dockerfile").read_text())
    assert image
    assert channel[1].startswith(image[1])


def test_rediss_command_and_health_check_work(services: dict[str, Any], tmp_path: Path) -> None:
    port, process = redis_as_composed(services["redis"], tmp_path)
    try:
        check = services["redis"]["healthcheck"]["test"][1]
        check = check.replace("redis-cli", f"redis-cli -p {port}")
        environment = {**os.environ, **services["redis"]["environment"]}
        assert subprocess.run(["sh", "-c", check], env=environment, check=False).returncode == 0
        wrong = {**environment, "REDIS_PASSWORD": "wrong"}
        assert subprocess.run(["sh", "-c", check], env=wrong, check=False).returncode != 0
    finally:
        process.kill()
        process.wait()


def test_the_server_starts_with_the_very_command(services: dict[str, Any], tmp_path: Path) -> None:
    redis_port, redis = redis_as_composed(services["redis"], tmp_path)
    moorline = services["moorline"]
    words = [*moorline["command"]]
    port = free_port()
    words[words.index("--port") + 1] = str(port)
    words[words.index("--data-dir") + 1] = str(tmp_path / "data")
    variables = {**moorline["environment"], "DATABASE_URL": "sqlite"}
    variables["REDIS_URL"] = variables["REDIS_URL"].replace("@redis:6379", f"@127.0.0.1:{redis_port}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MOORLINE_")}
    out = tmp_path / "out"
    with out.open("wb") as said:
        process = subprocess.Popen([PROGRAM, *words], env={**clean, **variables}, stdout=said, stderr=said)
    try:
        waited(lambda: is_ready(f"http://127.0.0.1:{port}/readyz"), process, out)
        assert f"Redis: redis://:***@127.0.0.1:{redis_port}/0" in out.read_text()
    finally:
        for one in (process, redis):
            one.kill()
            one.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def redis_as_composed(service: dict[str, Any], folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    """The service's own command, on a free port of the loopback."""
    assert shutil.which("redis-server"), "redis-server is missing: `cargo xtask test --only install` installs it"
    port = free_port()
    words = service["command"]
    words = [*words[:-1], f"{words[-1]} --port {port} --bind 127.0.0.1 --dir {folder}"]
    log = folder / "redis.log"
    with log.open("wb") as said:
        process = subprocess.Popen(words, env={**os.environ, **service["environment"]}, stdout=said, stderr=said)
    waited(lambda: "Ready to accept connections" in log.read_text(), process, log)
    return port, process


def waited(is_so: Any, process: subprocess.Popen[bytes], log: Path) -> Any:
    deadline = time.monotonic() + 20
    while not (found := is_so()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return found


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
