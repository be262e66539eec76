"""What mkdocs does not do by itself: the SDK's reference from its types, links to files of the repository, and chapters that
nobody has put into the contents yet."""

import re
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "https://github.com/moorline/moorline/blob/main/"
REFERENCE = "sdk-reference.md"
OUTSIDE = re.compile(r"(\]\()\.\./([^)#\s]+)(#[^)\s]*)?(\))")


def named(nav: Any) -> set[str]:
    """The files that the contents name."""
    if isinstance(nav, str):
        return {nav}
    children = nav.values() if isinstance(nav, dict) else nav
    return set().union(*(named(child) for child in children))


def on_config(config: Any) -> Any:
    """Puts what the contents leave out at their end, so that no chapter is lost."""
    chapters = {path.name for path in (ROOT / "docs").glob("*.md")}
    further = sorted(chapters - named(config.nav))
    if further:
        config.nav.append({"Further": further})
    return config


def reference() -> str:
    """The reference, made by the TypeScript compiler from what the SDK exports."""
    command = ["node", str(ROOT / "tests/docs/reference.mjs")]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "clients/typescript")
    if made.returncode:
        raise PluginError(f"the SDK's reference could not be made: {made.stderr}")
    return made.stdout


def on_files(files: Files, config: Any) -> Files:
    files.append(File.generated(config, REFERENCE, content=reference()))
    return files


def headings(text: str) -> set[str]:
    """The anchors of a file as its host makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Leads links out of docs/ to the repository, if what they name is there."""

    def led(link: re.Match[str]) -> str:
        path, anchor = ROOT / link[2], (link[3] or "")[1:]
        if not path.exists():
            raise PluginError(f"{page.file.src_path}: ../{link[2]} is not there")
        if anchor and anchor not in headings(path.read_text()):
            raise PluginError(f"{page.file.src_path}: ../{link[2]} has no #{anchor}")
        return f"{link[1]}{SOURCES}{link[2]}{link[3] or ''}{link[4]}"

    return OUTSIDE.sub(led, markdown)
