"""What the other pages for strangers show: commands against the built server, TypeScript and JavaScript against the SDK's types.

A page that goes on from another one is done after it, as a reader does: the API's page starts the server and makes the people and
the room that the pages behind it speak of.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from stranger import ROOT, Block, Stranger, blocks

PROGRAM = Path(os.environ.get("MOORLINE_BIN") or ROOT / "target/release/moorline").resolve()
SDK = ROOT / "clients/typescript"
BEFORE = """
cargo install --locked --path crates/moorline
openssl rand -hex 32 > jwt.secret
"""
AS_ANN = "TOKEN=$(moorline token mint --sub ann --jwt-secret-file jwt.secret)"
STREAM = "'https://chat.example.org/api/v1/stream?room=r1&room=r2'"
MADE_UP = """
declare const token: string, url: string, getToken: () => Promise<string>;
declare function show(frame: unknown): void;
declare function draw(items: readonly object[]): void;
declare function expect(value: unknown): { toHaveLength(length: number): void };
declare const positions: import("@moorline/client/consumer").Positions;
"""
"""What a snippet takes for granted of the page that it stands in."""


def typed(stranger: Stranger, text: str) -> None:
    """Commands that the test adds to those of a page."""
    stranger.do(Block("test_snippets.py", "sh", text, None))


def sh_alone(page: Path, stranger: Stranger) -> int:
    """The commands of a page whose other blocks are parts of somebody's own project."""
    chosen = [block for block in blocks(page) if block.language == "sh"]
    for block in chosen:
        stranger.do(block)
    return len(chosen)


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    """One whose curl complains of every refusal."""
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    monkeypatch.setenv("CURL_HOME", str(tmp_path))
    return Stranger(tmp_path, PROGRAM)


@pytest.mark.timeout(400)
def test_the_readme(stranger: Stranger) -> None:
    with stranger:
        assert sh_alone(ROOT / "README.md", stranger) >= 1
        assert len(stranger.running) == 1


@pytest.mark.timeout(400)
def test_the_http_api_and_what_stands_on_it(stranger: Stranger) -> None:
    stranger.says = {"--api-key-file api.key": "--api-key-file api.key --jwt-secret-file jwt.secret"}
    with stranger:
        typed(stranger, BEFORE)
        assert sh_alone(ROOT / "docs/api.md", stranger) == 3
        assert sh_alone(ROOT / "docs/retention.md", stranger) == 1
        # A stream goes on for ever: curl's 28 is that it was open when its time was up, 22 would be a refusal.
        stranger.says |= {STREAM: f"{STREAM} --max-time 3 || test $? = 28", "https://chat.example.org": stranger.url(""), "room=r1&room=r2": "room=ops"}
        typed(stranger, AS_ANN)
        assert sh_alone(ROOT / "docs/transports.md", stranger) == 1


@pytest.mark.timeout(400)
def test_the_widgets_server(stranger: Stranger) -> None:
    with stranger:
        typed(stranger, BEFORE)
        assert sh_alone(ROOT / "docs/widget.md", stranger) == 1


def test_a_refusal_of_the_api_is_found_out(stranger: Stranger) -> None:
    """The twin of the tests above."""
    with stranger, pytest.raises(AssertionError, match="exit 22"):
        typed(stranger, f"{BEFORE}\nmoorline serve\n")
        typed(stranger, "curl localhost:8000/api/v1/rooms/ops/events")


def complaints(folder: Path, snippets: dict[str, str]) -> str:
    """What the TypeScript compiler says of snippets, each a module of its own in a project that has the SDK."""
    for name, text in snippets.items():
        (folder / f"{name}.ts").write_text(f"{text}\nexport {{}};\n")
    (folder / "made-up.d.ts").write_text(MADE_UP)
    named = json.loads((SDK / "package.json").read_text())["exports"]
    paths = {f"@moorline/client{entry[1:]}": [str(SDK / "src" / entry[2:] / "index.ts")] for entry in named}
    options = {
        "noEmit": True,
        "strict": True,
        "target": "es2022",
        "lib": ["es2023", "dom", "dom.iterable"],
        "module": "esnext",
        "moduleResolution": "bundler",
        "jsx": "react-jsx",
        "skipLibCheck": True,
        "paths": paths,
        "typeRoots": [str(SDK / "node_modules/@types")],
        "types": ["node"],
    }
    project = {"compilerOptions": options, "files": [f"{name}.ts" for name in snippets] + ["made-up.d.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    tsc = [str(SDK / "node_modules/.bin/tsc"), "-p", str(folder)]
    done = subprocess.run(tsc, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


PAGES = ("docs/sdk.md", "docs/transports.md", "clients/typescript/README.md")


def snippets_of(page: Path) -> dict[str, str]:
    """Those in TypeScript and JavaScript, named by where they stand."""
    chosen = [block for block in blocks(page) if block.language in ("ts", "js")]
    return {re.sub(r"\W+", "-", block.where): block.text for block in chosen}


def test_every_snippet_fits_the_types_of_the_sdk(tmp_path: Path) -> None:
    snippets: dict[str, str] = {}
    for page in PAGES:
        snippets |= snippets_of(ROOT / page)
    assert len(snippets) >= 4
    assert complaints(tmp_path, snippets) == ""


def test_a_snippet_with_a_name_that_is_none_is_found_out(tmp_path: Path) -> None:
    """The twin of the test above."""
    planted = 'import { createClient } from "@moorline/client";\ncreateClient({}).begin();'
    assert "'begin' does not exist" in complaints(tmp_path, {"planted": planted})
