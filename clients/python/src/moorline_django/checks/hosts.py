"""The hosts of a channel layer, in all the forms that channels_redis takes, as one form. Nothing is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Host:
    """One Redis server, or one master behind Sentinels."""

    name: str
    """Host and port, socket path or master: what a message may show."""
    password: str | None = field(default=None, repr=False)
    database: int = 0
    is_socket: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """`socket_timeout`, `max_connections` and the like, as given or as read from the URL's query."""

    @property
    def is_named(self) -> bool:
        """Whether its name can be compared with another's."""
        return bool(self.name)


DEFAULT = "redis://localhost:6379"
NUMBERS = {"socket_timeout": float, "max_connections": int}


def of_config(hosts: object) -> list[Host]:
    """The hosts of `CONFIG`; what channels_redis itself would refuse is left to it."""
    if not hosts:
        return [of_url(DEFAULT)]
    if not isinstance(hosts, (list, tuple)):
        return []
    return [_of_entry(entry) for entry in hosts]


def _of_entry(entry: object) -> Host:
    if isinstance(entry, Mapping):
        given = dict(entry)
        if "address" in given:
            base = of_url(str(given.pop("address")))
            return Host(
                name=base.name,
                password=given.get("password", base.password),
                database=int(given.get("db", base.database)),
                is_socket=base.is_socket,
                options={**base.options, **given},
            )
        name = given.get("master_name") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
        return Host(str(name), given.get("password"), int(given.get("db") or 0), options=given)
    if isinstance(entry, (list, tuple)) and len(entry) == 2:
        return Host(f"{entry[0]}:{entry[1]}")
    return of_url(str(entry))


def of_url(url: str) -> Host:
    """A URL in redis-py's or Moorline's form; of `redis+sentinel://` the master counts."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    options = {name: convert(query[name]) for name, convert in NUMBERS.items() if _is_number(query.get(name))}
    password = unquote(parts.password) if parts.password else query.get("password")
    if parts.scheme == "unix":
        return Host(unquote(parts.path), password, _number(query.get("db")), is_socket=True, options=options)
    path = [part for part in parts.path.split("/") if part]
    if parts.scheme.endswith("+sentinel"):
        number = path[1] if len(path) > 1 else None
        return Host(path[0] if path else "", password, _number(query.get("db") or number), options=options)
    number = path[0] if path else None
    return Host(_address(parts), password, _number(query.get("db") or number), options=options)


def _address(parts: SplitResult) -> str:
    try:
        return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        return parts.netloc.rpartition("@")[2]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True
