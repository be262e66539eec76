"""The same in Chromium: ann's page holds a socket of Daphne, bob's one of Moorline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, Page
from people import Site


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    running = Browser(tmp_path / "chromium")
    yield running
    running.close()


def opened(browser: Browser, site: Site, name: str, path: str) -> Page:
    page = browser.page(f"{site.django}/login/")
    page.sign_in(name)
    page.go(site.django + path)
    page.until("document.querySelector('#state').textContent === 'live'")
    return page


def test_two_people_on_two_servers_chat_in_one_room(own_site: Site, browser: Browser) -> None:
    ann = opened(browser, own_site, "ann", "/rooms/harbour/")
    bob = opened(browser, own_site, "bob", "/moorline/harbour/")
    expected: list[str] = []
    for number in range(3):
        for page, name in ((ann, "ann"), (bob, "bob")):
            text = f"<b>{name}</b> says {number}"
            page.write(text)
            expected.append(name + text)
            ann.sees(text)
            bob.sees(text)
    ann.run("document.querySelector('#order').click()")
    bob.sees("is paid.")
    ann.until("document.querySelector('#state')?.textContent === 'live'")
    ann.sees("is paid.")
    expected.append("annOrder 4711 is paid.")
    assert ann.lines() == bob.lines() == expected
    for page, path in ((ann, "/rooms/harbour/"), (bob, "/moorline/harbour/")):
        page.go("about:blank")
        page.until("location.href === 'about:blank'")
        page.go(own_site.django + path)
        page.sees("is paid.")
        assert page.lines() == expected
