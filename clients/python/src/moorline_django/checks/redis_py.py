"""Checks of what redis-py 8 does to channels_redis unless it is told otherwise.

channels_redis waits up to 5 s for a message. redis-py 8 gives a read up after 5 s by itself, and opens 100 connections
at most; either error ends the consumer that meets it, and with it the socket.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.core.checks import CheckMessage, Warning

from .layer import Layer

BLOCKING_READ = 5
"""Seconds that channels_redis's BZPOPMIN waits."""
DEFAULT_TIMEOUT, DEFAULT_CONNECTIONS = 5, 100
"""What redis-py 8 does where nothing is said; before, there was no limit of either."""


def installed() -> int:
    """The major version of redis-py; 0 where it is not there."""
    try:
        return int(version("redis").split(".")[0])
    except (PackageNotFoundError, ValueError):
        return 0


def check(layer: Layer) -> list[CheckMessage]:
    """W008 and W009."""
    if not layer.is_redis:
        return []
    major = installed()
    found = _timeout(layer, major) if layer.kind == "core" else []
    return found + _connections(layer, major)


def _timeout(layer: Layer, major: int) -> list[CheckMessage]:
    default = DEFAULT_TIMEOUT if major >= 8 else None
    limits = {host.name: host.options.get("socket_timeout", default) for host in layer.hosts}
    short = [name for name, limit in limits.items() if limit is not None and limit <= BLOCKING_READ]
    if not short:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] reads from {', '.join(short)} with a socket timeout of "
            f"{limits[short[0]]} s (redis-py {major}; its default is 5 s since 8.0), but an idle receive waits 5 s. Every "
            "socket that is quiet for 5 s is closed with code 1011 (in the log: `Timeout reading from …`), without its "
            "disconnect(), so that its group keeps a member that is gone.",
            hint="Give the host as {'address': 'redis://:password@host:6379/0', 'socket_timeout': None}; a URL alone "
            "cannot say None, but ?socket_timeout=30 works.",
            id="moorline.W008",
        )
    ]


def _connections(layer: Layer, major: int) -> list[CheckMessage]:
    default = DEFAULT_CONNECTIONS if major >= 8 else None
    limits: dict[str, Any] = {host.name: host.options.get("max_connections") or default for host in layer.hosts}
    few = [name for name, limit in limits.items() if limit is not None and limit <= DEFAULT_CONNECTIONS]
    if not few:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] opens at most {limits[few[0]]} connections to {', '.join(few)} (redis-py "
            f"{major}; its default is {DEFAULT_CONNECTIONS} since 8.0). A consumer that sends or joins while all of them "
            "are in use ends with `Too many connections`, and its socket is closed with 1011.",
            hint="Add 'max_connections': 10000 to the host's entry, and mind `maxclients` of Redis.",
            id="moorline.W009",
        )
    ]
