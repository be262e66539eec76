"""Moorline's HTTP API, one request at a time over one kept connection; the standard library's client underneath.

`messages`, `people` and `outbox` call this. A connection is for one thread. Every wait has an end, answers are bounded,
and what is repeated carries an idempotency key, so that nothing is done twice. It never touches the database.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django.core.exceptions import ImproperlyConfigured

from .conf import Settings
from .errors import Misdirected, MoorlineError, Refused, Unavailable

MAX_ANSWER = 1024 * 1024
LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Statuses after which the same request may succeed, whoever says so."""
GONE = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)
"""How a kept connection fails that the other end has closed; `RemoteDisconnected` is one of them."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0


@dataclass(frozen=True)
class Request:
    """One question to the API. `path` is below `/api/v1`, in parts as they are; they are encoded here."""

    method: str
    path: tuple[str, ...]
    body: object = None
    key: str | None = None
    query: Mapping[str, str] | None = None

    @property
    def target(self) -> str:
        """What stands in the request's first line."""
        path = "/api/v1/" + "/".join(quote(part, safe="") for part in self.path)
        return f"{path}?{urlencode(self.query)}" if self.query else path


class Connection:
    """To the server of `settings`; opens itself when first used, and again whenever it broke."""

    def __init__(self, settings: Settings) -> None:
        if settings.api_key is None:
            raise ImproperlyConfigured("MOORLINE has no API_KEY: give it the key of the server's --api-key-file.")
        self._settings = settings
        self._parts = urlsplit(settings.url)
        self._open: http.client.HTTPConnection | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connection go; the next request opens a new one."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def call(self, request: Request) -> dict[str, Any]:
        """Asks until there is an answer that stays, at most for `MOORLINE["RETRY"]` seconds.

        Only what is harmless to repeat may be asked so: GET, PUT, DELETE, and POST with a key.
        """
        deadline = time.monotonic() + self._settings.retry
        wait = FIRST_WAIT
        while True:
            try:
                return self.ask(request)
            except Unavailable as error:
                # Full jitter, so that many workers do not come back together.
                pause = max(error.retry_after or 0.0, random.uniform(0, wait))  # noqa: S311
                if time.monotonic() + pause >= deadline:
                    raise
            wait = min(wait * 2, LONGEST_WAIT)
            time.sleep(pause)

    def ask(self, request: Request) -> dict[str, Any]:
        """One attempt."""
        key = request.key
        headers = {"Authorization": f"Bearer {self._settings.api_key}", "Accept": "application/json"}
        data = None
        if request.body is not None:
            data = json.dumps(request.body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        target = self._parts.path.rstrip("/") + request.target
        was_open = self._open is not None
        try:
            try:
                status, said = self._exchange(request.method, target, data, headers)
            except GONE:
                # A kept connection may have been closed by the other end meanwhile, which tells nothing of the server.
                if not was_open:
                    raise
                self.close()
                status, said = self._exchange(request.method, target, data, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = str(error) or type(error).__name__
            text = f"Moorline at {self._settings.url} did not answer: {why}"
            raise Unavailable(text, key=key, answered=False) from error
        return _read(status, said, self._settings.url, key)

    def _exchange(self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._open is None:
            self._open = self._connection()
        self._open.request(method, target, body=data, headers=dict(headers))
        response = self._open.getresponse()
        said = response.read(MAX_ANSWER + 1)
        if len(said) > MAX_ANSWER:
            raise http.client.HTTPException("the answer is longer than 1 MiB")
        return response.status, said

    def _connection(self) -> http.client.HTTPConnection:
        host, port, timeout = self._parts.hostname or "", self._parts.port, self._settings.timeout
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout)


def _read(status: int, said: bytes, url: str, key: str | None) -> dict[str, Any]:
    """The answer's object; or, by its own error body, whether Moorline refuses or something in between is unwell."""
    try:
        answer = json.loads(said) if said else {}
    except ValueError:
        answer = None
    if 200 <= status < 300 and isinstance(answer, dict):
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        raise _stranger(status, url, key)
    message, after = str(error.get("message", "")), error.get("retry_after_ms")
    if status in LATER or after is not None:
        seconds = after / 1000 if isinstance(after, (int, float)) else None
        raise Unavailable(f"{message} ({error['code']}, HTTP {status})", key=key, retry_after=seconds)
    raise Refused(status, error["code"], message)


def _stranger(status: int, url: str, key: str | None) -> MoorlineError:
    text = f"HTTP {status} from {url} is no answer of Moorline's: look at MOORLINE['URL'] and at proxies in between."
    if status in LATER:
        return Unavailable(text, key=key)
    return Misdirected(text, key=key)
