"""Chromium, driven over its own DevTools protocol; each person has a context with cookies of their own."""

import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

DEADLINE = 30.0


class DevToolsError(Exception):
    """The browser could not do it."""


class Browser:
    """One Chromium without a window."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "chromium is missing: `cargo xtask test --only install` installs it"
        words = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-gpu"]
        words += ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        folder.mkdir(parents=True)
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([program, *words, "about:blank"], stdout=log, stderr=log)
        told = folder / "DevToolsActivePort"
        deadline = time.monotonic() + DEADLINE
        while not (told.exists() and told.read_text().count("\n")):
            assert self._process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "chromium does not listen"
            time.sleep(0.02)
        port, path = told.read_text().split()
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(f"ws://127.0.0.1:{port}{path}", max_size=None))
        self._numbers = itertools.count(1)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command to its answer."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps({**command, **({"sessionId": session} if session else {})}))
        while True:
            said: dict[str, Any] = json.loads(self._socket.recv(timeout=DEADLINE))
            if said.get("id") == number:
                if "error" in said:
                    raise DevToolsError(said["error"]["message"])
                result: dict[str, Any] = said["result"]
                return result

    def page(self, url: str) -> "Page":
        """A page in a context of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url=url, browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session)

    def close(self) -> None:
        """Ends it."""
        self._open.close()
        self._process.terminate()
        self._process.wait(timeout=20)


class Page:
    """One person's page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def go(self, url: str) -> None:
        """Another address."""
        self._browser.call("Page.navigate", self._session, url=url)

    def run(self, script: str) -> Any:
        """What an expression gives."""
        said = self._browser.call("Runtime.evaluate", self._session, expression=script, returnByValue=True)
        return said["result"].get("value")

    def until(self, condition: str) -> None:
        """Until an expression is true; a page that is being changed for another has no answer yet."""
        deadline = time.monotonic() + DEADLINE
        asked = f"(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"
        while self._value(asked) is not True:
            assert time.monotonic() < deadline, f"{condition}: {self.run('document.body?.innerText')}"
            time.sleep(0.02)

    def _value(self, script: str) -> Any:
        """None while there is no document."""
        try:
            return self.run(script)
        except DevToolsError:
            return None

    def sign_in(self, name: str) -> None:
        """By Django's form."""
        self.until("document.querySelector('#id_password')")
        fields = {"#id_username": name, "#id_password": f"{name}-has-a-password"}
        for field, value in fields.items():
            self.run(f"document.querySelector('{field}').value = {json.dumps(value)}")
        self.run("document.querySelector('form').requestSubmit()")
        self.until("document.querySelector('h1').textContent.startsWith('Rooms of')")

    def write(self, text: str) -> None:
        """Types a message and sends it."""
        self.run(f"document.querySelector('#body').value = {json.dumps(text)}")
        self.run("document.querySelector('#write').requestSubmit()")

    def sees(self, text: str) -> None:
        """Until the message is on the page."""
        self.until(
            f"[...document.querySelectorAll('#log li')].some((line) => line.textContent.endsWith({json.dumps(text)}))"
        )

    def lines(self) -> list[str]:
        """All messages of the room, from the top."""
        found: list[str] = self.run("[...document.querySelectorAll('#log li')].map((line) => line.textContent)")
        return found
