"""The built site of docs/: every link and anchor leads somewhere, nothing comes from elsewhere, and the SDK's reference has what
the SDK exports."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("MOORLINE_SITE") or ROOT / "target/docs")
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
NAMING = ("canonical", "next", "prev", "alternate")


class Page(HTMLParser):
    """The links, anchors and loaded files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids.update(value for value in (named.get("id"), named.get("name")) if value)
        if tag == "a" and "href" in named:
            self.links.add(named["href"])
        if named.get(LOADING.get(tag, "")) and named.get("rel") not in NAMING:
            self.loaded.add(named[LOADING[tag]])


PAGES = {path: Page(path) for path in sorted(SITE.rglob("*.html"))}
CHAPTERS = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def wrong_links(path: Path, page: Page) -> list[str]:
    """Those that lead to nothing that is on the site. 404.html is shown under any address, so its links are absolute."""
    wrong = []
    for link in page.links | page.loaded:
        if re.match(r"[a-z]+:", link):
            continue
        file, anchor = urldefrag(unquote(link))
        base = SITE if file.startswith("/") else path.parent
        target = (base / file.lstrip("/")).resolve() if file else path
        target = target / "index.html" if target.is_dir() else target
        known = PAGES.get(target)
        if not target.exists() or (anchor and known and anchor not in known.ids):
            wrong.append(link)
    return wrong


def test_every_chapter_is_a_page() -> None:
    assert len(CHAPTERS) >= 20
    missing = [name for name in CHAPTERS if not (SITE / name).with_suffix(".html").exists()]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(SITE)))
def test_every_link_and_anchor_of_a_page_leads_somewhere(path: Path) -> None:
    assert wrong_links(path, PAGES[path]) == []


def test_a_planted_link_is_found_out(tmp_path: Path) -> None:
    """The twin of the test above."""
    planted = tmp_path / "page.html"
    planted.write_text('<a href="#here" id="there">x</a><a href="gone.html">y</a><a href="https://example.org/">z</a>')
    PAGES[planted] = Page(planted)
    try:
        assert sorted(wrong_links(planted, PAGES[planted])) == ["#here", "gone.html"]
    finally:
        del PAGES[planted]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(SITE)))
def test_a_page_loads_nothing_from_elsewhere(path: Path) -> None:
    foreign = [url for url in PAGES[path].loaded if re.match(r"([a-z]+:)?//", url)]
    assert foreign == []


def test_no_style_sheet_loads_anything_from_elsewhere() -> None:
    sheets = list(SITE.rglob("*.css"))
    assert sheets
    foreign = [url for sheet in sheets for url in re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text())]
    assert foreign == []


def exported() -> set[str]:
    """The names that the SDK's main entry exports, read without a compiler."""
    source = ROOT / "clients/typescript/src"
    index = (source / "index.ts").read_text()
    names = {name.split(" as ")[-1].strip() for group in re.findall(r"export (?:type )?\{([^}]+)\}", index) for name in group.split(",")}
    for module in re.findall(r'export (?:type )?\* from "\./([\w/-]+)\.js"', index):
        text = (source / f"{module}.ts").read_text()
        names.update(re.findall(r"^export (?:declare )?(?:interface|type|class|function|const) (\w+)", text, re.MULTILINE))
    return {name for name in names if name}


def test_the_reference_has_every_name_that_the_sdk_exports() -> None:
    names = exported()
    assert {"createClient", "MoorlineError", "Store"} <= names
    missing = sorted(names - headings_of_reference())
    assert missing == []


def headings_of_reference() -> set[str]:
    text = (SITE / "sdk-reference.html").read_text()
    return set(re.findall(r"<h3[^>]*>(\w+)", text))
