"""The real server against its own OpenAPI document: schemathesis makes requests of each operation, good and bad ones, and holds
each answer against what the document says. Bounded, and the same requests each time."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAM = os.environ.get("MOORLINE_BIN") or str(ROOT / "target/release/moorline")
SECRET = "0123456789abcdef0123456789abcdef"
SEED = "20261126"

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
)


def send(url: str, method: str, body: object, **headers: str) -> urllib.request.addinfourl:
    """A JSON request that must succeed."""
    data = json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **named}, method=method)
    return urllib.request.urlopen(request, timeout=10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of its own with two people in a room; its address."""
    words = [PROGRAM, "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--signup", "open"]
    words += ["--api-key", SECRET, "--jwt-secret", SECRET]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert running.stdout
        address = next(
            found[1] for line in running.stdout if (found := re.search(r"Page\s+(http://[\d.:]+)", line))
        )
        key = f"Bearer {SECRET}"
        for person in ("ann", "bob"):
            send(f"{address}/api/v1/users/{person}", "PUT", {"name": person}, Authorization=key)
        room = {"id": "ops", "kind": "group", "name": "Ops", "members": ["ann", "bob"]}
        send(f"{address}/api/v1/rooms", "POST", room, Authorization=key)
        yield address
    finally:
        running.terminate()
        running.wait(timeout=20)


def schemathesis(location: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs it; what it prints tells each failure and the curl command that repeats it."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", location, "--seed", SEED, "--no-color"]
    command += ["--suppress-health-check", "all", "--warnings", "off"]
    if "--phases" not in words:
        command += ["--phases", "coverage,fuzzing"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run([*command, *words], cwd=folder, env=environment, capture_output=True, text=True)


def cases(said: str) -> int:
    found = re.search(r"(\d+) generated", said)
    return int(found[1]) if found else 0


def test_a_backend_finds_what_the_document_says(server: str, tmp_path: Path) -> None:
    words = ("--checks", ",".join((*CHECKS, "negative_data_rejection")), "--exclude-tag", "Page", "--exclude-tag", "Client", "-n", "10")
    words += ("-H", f"Authorization: Bearer {SECRET}")
    ran = schemathesis(f"{server}/api/docs/openapi.json", *words, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cases(ran.stdout) > 300, ran.stdout


def signed_up(server: str) -> str:
    """The cookie of a new account."""
    made = send(f"{server}/api/v1/signup", "POST", {"name": "carol", "password": "correct horse"})
    return str(made.headers["Set-Cookie"].split(";")[0])


def test_a_client_finds_what_the_document_says(server: str, tmp_path: Path) -> None:
    """Commands; streams and polls wait for what nobody here says."""
    words = ("--checks", ",".join(CHECKS), "--include-operation-id", "CarryOut", "-n", "30")
    words += ("-H", f"Cookie: {signed_up(server)}", "-H", f"Origin: {server}")
    ran = schemathesis(f"{server}/api/docs/openapi.json", *words, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cases(ran.stdout) > 50, ran.stdout


def test_a_page_finds_what_the_document_says(server: str, tmp_path: Path) -> None:
    cookie = signed_up(server)
    words = ("--checks", ",".join(CHECKS), "--include-tag", "Page", "-n", "10")
    # These end the session with which the others are tried; the next test has them.
    words += ("--exclude-operation-id", "Logout", "--exclude-operation-id", "RevokeSession")
    words += ("-H", f"Cookie: {cookie}", "-H", f"Origin: {server}")
    ran = schemathesis(f"{server}/api/docs/openapi.json", *words, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cases(ran.stdout) > 100, ran.stdout


def test_who_shows_nothing_is_refused_as_the_document_says(server: str, tmp_path: Path) -> None:
    words = ("--checks", ",".join((*CHECKS, "ignored_auth")), "--phases", "coverage")
    ran = schemathesis(f"{server}/api/docs/openapi.json", *words, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cases(ran.stdout) > 200, ran.stdout


def test_a_document_that_is_not_true_is_found_out(server: str, tmp_path: Path) -> None:
    """The twin: a status and a field that the server does not keep to."""
    document = json.loads((ROOT / "docs/schema/openapi.json").read_text())
    kept = ("/api/v1/rooms/{id}/retention", "/api/v1/users/{id}")
    document["paths"] = {path: methods for path, methods in document["paths"].items() if path in kept}
    del document["paths"]["/api/v1/rooms/{id}/retention"]["get"]["responses"]["404"]
    document["components"]["schemas"]["Person"]["required"].append("age")
    (tmp_path / "untrue.json").write_text(json.dumps(document))
    words = ("--checks", ",".join(CHECKS), "--url", server, "-n", "10", "--continue-on-failure")
    words += ("-H", f"Authorization: Bearer {SECRET}")
    ran = schemathesis("untrue.json", *words, folder=tmp_path)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Undocumented status code" in ran.stdout, ran.stdout
    assert "'age' is a required property" in ran.stdout or '"age" is a required property' in ran.stdout, ran.stdout
