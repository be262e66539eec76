"""People as the tests drive them: signed in by Django's form, with a socket at Daphne or at Moorline."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from websockets.sync.client import ClientConnection, connect

DEADLINE = 20.0


@dataclass
class Site:
    """Where the parts are."""

    django: str
    moorline: str
    folder: Path

    def person(self, name: str) -> "Person":
        """Somebody, signed in."""
        return Person(self, name)


class Person:
    """One browser, without the browser."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self._cookies = CookieJar()
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(self._cookies))
        self.post("/login/", form_at="/login/", username=name, password=f"{name}-has-a-password")
        assert "sessionid" in self.cookies, f"{name} could not sign in"

    @property
    def cookies(self) -> str:
        """As the browser sends them."""
        return "; ".join(f"{one.name}={one.value}" for one in self._cookies)

    def forget(self) -> None:
        """A session that Django does not know."""
        for cookie in self._cookies:
            if cookie.name == "sessionid":
                cookie.value = "forged"

    def get(self, path: str) -> str:
        """A page."""
        with self._opener.open(self.site.django + path, timeout=20) as answer:
            return str(answer.read().decode())

    def post(self, path: str, form_at: str, **fields: str) -> str:
        """A form, with the token that its page has."""
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(form_at))
        assert found, f"{form_at} has no form"
        body = urlencode({**fields, "csrfmiddlewaretoken": found[1]}).encode()
        request = Request(self.site.django + path, data=body, headers={"Referer": self.site.django + form_at})
        with self._opener.open(request, timeout=20) as answer:
            return str(answer.read().decode())

    def messages(self, room: str) -> list[dict[str, Any]]:
        """The room as Django's copy has it."""
        found: list[dict[str, Any]] = json.loads(self.get(f"/rooms/{room}/messages/"))["messages"]
        return found

    @contextmanager
    def at_daphne(self) -> Iterator["Socket"]:
        """A socket of the consumer."""
        url = self.site.django.replace("http", "ws") + "/ws/chat/"
        headers = {"Cookie": self.cookies, "Origin": self.site.django}
        with connect(url, additional_headers=headers, open_timeout=20) as socket:
            here = Socket(socket)
            here.until(lambda frame: frame["type"] == "welcome")
            yield here

    @contextmanager
    def at_moorline(self) -> Iterator["Socket"]:
        """A socket of Moorline, with a token by Django."""
        token = json.loads(self.get("/token/"))["token"]
        with connect(self.site.moorline.replace("http", "ws") + "/ws", open_timeout=20) as socket:
            here = Socket(socket)
            here.say(type="hello", token=token)
            here.until(lambda frame: frame["type"] == "welcome")
            yield here

    @contextmanager
    def at_moorline_by_session(self) -> Iterator["Socket"]:
        """A socket of Moorline, with nothing but the browser's cookies."""
        headers = {"Cookie": self.cookies, "Origin": self.site.django}
        url = self.site.moorline.replace("http", "ws") + "/ws"
        with connect(url, additional_headers=headers, open_timeout=20) as socket:
            here = Socket(socket)
            here.say(type="hello")
            yield here


class Socket:
    """Frames as they come."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard: list[dict[str, Any]] = []

    def say(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def write(self, room: str, body: str) -> str:
        """A message, with a key that fits both sides."""
        key = uuid.uuid4().hex
        self.say(type="send", room=room, body=body, key=key, cid=key)
        return key

    def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame from now on that is it."""
        deadline = time.monotonic() + DEADLINE
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"it did not come; heard {self.heard}"
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=left))
            self.heard.append(frame)
            if is_it(frame):
                return frame

    def message(self, body: str) -> dict[str, Any]:
        """The message with this text, in either side's form."""
        return self.until(lambda frame: frame.get("body") == body)

    def bodies(self, room: str) -> list[str]:
        """What was heard of a room, in the order in which it came."""
        return [
            frame["body"]
            for frame in self.heard
            if frame.get("room") == room and (frame["type"] == "message" or frame.get("kind") == "message")
        ]
