"""`docs/django.md` has every key, check, function and option, and names nothing that is not there."""

import re
from dataclasses import fields

import moorline_django
from moorline_django.conf import FILES, Settings
from server import ROOT
from starter import HERE, run

TEXT = (ROOT / "docs/django.md").read_text()


def test_every_key_of_the_setting_is_described() -> None:
    keys = {one.name.upper() for one in fields(Settings)} | set(FILES)
    table = TEXT.partition("### MOORLINE\n")[2].partition("### ")[0]
    described = set(
        re.findall(
            r"`([A-Z_]{3,})`", "\n".join(line.partition("|")[2].partition("|")[0] for line in table.splitlines())
        )
    )
    assert described == keys


def test_every_check_is_described_and_no_other() -> None:
    source = "".join(path.read_text() for path in (HERE.parent / "src/moorline_django/checks").glob("*.py"))
    assert set(re.findall(r"`(moorline\.[EW]\d{3})`", TEXT.partition("### Checks")[2])) - {"moorline.W001"} == (
        set(re.findall(r"moorline\.[EW]\d{3}", source)) - {"moorline.W001"}
    )


def test_every_public_name_is_described() -> None:
    assert [name for name in moorline_django.__all__ if name not in TEXT] == []


def test_every_option_of_the_outbox_is_known() -> None:
    code, said = run({}, "moorline_outbox", "--help")
    assert code == 0
    chapter = TEXT.partition("### The outbox")[2].partition("### ")[0]
    options = set(re.findall(r"`(--[a-z-]+)", chapter))
    assert options
    assert all(option in said for option in options)


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        assert not path or (ROOT / "docs" / path).exists(), target
        assert path or anchor in anchors, target
