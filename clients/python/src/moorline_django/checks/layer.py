"""Checks of `CHANNEL_LAYERS`: in itself, and beside what Moorline was started with.

Two peers of a layer agree on everything or hear nothing of each other; nothing is negotiated between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning

from ..conf import Settings
from .hosts import Host, of_config, of_url

BACKENDS = {
    "channels_redis.core.RedisChannelLayer": "core",
    "channels_redis.pubsub.RedisPubSubChannelLayer": "pubsub",
    "channels.layers.InMemoryChannelLayer": "memory",
}
DEFAULTS = {"prefix": "asgi", "expiry": 60, "capacity": 100}
"""What channels_redis does where `CONFIG` is silent."""
BETWEEN_URLS = re.compile(r",(?=\s*[a-z+]+://)")
"""Several URLs are separated by commas, as are the hosts within one of Sentinel."""


@dataclass(frozen=True)
class Layer:
    """One entry of `CHANNEL_LAYERS`."""

    alias: str
    kind: str
    """core, pubsub, memory, or the dotted path of another back end."""
    hosts: list[Host]
    config: Mapping[str, Any]

    @property
    def is_redis(self) -> bool:
        """Whether it is one of the two that Moorline speaks."""
        return self.kind in ("core", "pubsub")

    def option(self, name: str) -> Any:
        """An option as it holds."""
        return self.config.get(name, DEFAULTS[name])


def configured(alias: str) -> Layer | None:
    """The layer under an alias; none where the project has none."""
    layers = getattr(django_settings, "CHANNEL_LAYERS", None)
    entry = layers.get(alias) if isinstance(layers, Mapping) else None
    if not isinstance(entry, Mapping):
        return None
    config = entry.get("CONFIG") or {}
    backend = str(entry.get("BACKEND", ""))
    kind = BACKENDS.get(backend, backend)
    hosts = of_config(config.get("hosts")) if kind in ("core", "pubsub") else []
    return Layer(alias, kind, hosts, config)


def check(layer: Layer, moorline: Settings) -> list[CheckMessage]:
    """W001 to W007, W011 and W013."""
    found = _memory(layer) + _passwords(layer) + _whole_seconds(layer)
    if moorline.redis_url and layer.is_redis:
        found += _kind(layer, moorline) + _hosts(layer, moorline) + _options(layer, moorline)
    return found


def _memory(layer: Layer) -> list[CheckMessage]:
    if layer.kind != "memory" or django_settings.DEBUG:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] keeps its messages in the memory of each process, and DEBUG is False. "
            "What one process sends, no other process and no Moorline hears, so people see messages only after a refresh.",
            hint="Use channels_redis.core.RedisChannelLayer with the Redis that Moorline has.",
            id="moorline.W007",
        )
    ]


def _passwords(layer: Layer) -> list[CheckMessage]:
    open_hosts = [host.name for host in layer.hosts if not host.password and not host.is_socket]
    if not open_hosts:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] names no password for {', '.join(open_hosts)}. A Redis that wants one "
            "refuses every socket at its first group_add (in the log: `Authentication required.` or `HELLO must be "
            "called with the client already authenticated`), and one that wants none lets anyone who reaches it speak "
            "to your consumers.",
            hint="Set requirepass in Redis and write redis://:password@host:6379/0; in the password, @ is %40, : is %3A "
            "and / is %2F.",
            id="moorline.W001",
        )
    ]


def _whole_seconds(layer: Layer) -> list[CheckMessage]:
    expiry = layer.option("expiry")
    if layer.kind != "core" or (isinstance(expiry, int) and expiry > 0):
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] has the expiry {expiry!r}. Redis takes whole seconds above 0 only, so every "
            "group_send would fail with `value is not an integer or out of range`.",
            hint="Write a whole number of seconds, such as 10.",
            id="moorline.W013",
        )
    ]


def _kind(layer: Layer, moorline: Settings) -> list[CheckMessage]:
    if layer.kind == moorline.layer_kind:
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] is the {layer.kind} layer, but Moorline runs with --layer "
            f"{moorline.layer_kind}. The two do not hear each other.",
            hint=f"Start Moorline with --layer {layer.kind} and say so in MOORLINE['LAYER_KIND'], or change the BACKEND.",
            id="moorline.W006",
        )
    ]


def _hosts(layer: Layer, moorline: Settings) -> list[CheckMessage]:
    theirs = [of_url(url.strip()) for url in BETWEEN_URLS.split(moorline.redis_url or "") if url.strip()]
    if len(layer.hosts) != len(theirs):
        return [
            Warning(
                f"CHANNEL_LAYERS['{layer.alias}'] has {len(layer.hosts)} hosts, Moorline has {len(theirs)}. Each side "
                "looks for groups and channels on other servers than the other.",
                hint="Name the same servers in the same order on both sides.",
                id="moorline.W011",
            )
        ]
    found: list[CheckMessage] = []
    for ours, other in zip(layer.hosts, theirs, strict=True):
        found += _database(layer, ours, other, moorline) + _password(layer, ours, other)
    return found


def _database(layer: Layer, ours: Host, theirs: Host, moorline: Settings) -> list[CheckMessage]:
    # Redis Pub/Sub knows no databases.
    if ours.database == theirs.database or moorline.layer_kind == "pubsub":
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] is in database {ours.database} of {ours.name}, Moorline in database "
            f"{theirs.database}. Neither hears what the other sends, and nothing says so.",
            hint="End both URLs with the same number, as redis://:password@host:6379/0.",
            id="moorline.W002",
        )
    ]


def _password(layer: Layer, ours: Host, theirs: Host) -> list[CheckMessage]:
    # By two names, such as localhost and redis, it may be one server or two.
    if ours.name != theirs.name or (ours.password or None) == (theirs.password or None):
        return []
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] and MOORLINE['REDIS_URL'] have different passwords for {ours.name}; one of "
            "them is refused.",
            hint="Read both from the same variable or secret.",
            id="moorline.W011",
        )
    ]


def _options(layer: Layer, moorline: Settings) -> list[CheckMessage]:
    rows: list[tuple[str, str, Any, str, bool]] = [
        (
            "moorline.W003",
            "prefix",
            moorline.layer_prefix,
            "Every key in Redis begins with it, so neither side hears the other, and nothing says so.",
            True,
        ),
        (
            "moorline.W004",
            "expiry",
            moorline.layer_expiry,
            "Whoever sends removes from a channel what is older than its own expiry, so the shorter one takes away what "
            "the other side still counts on.",
            layer.kind == "core",
        ),
        (
            "moorline.W005",
            "capacity",
            moorline.layer_capacity,
            "A channel that has so many unread messages gets no further ones; all sockets of a Daphne process share one.",
            layer.kind == "core",
        ),
    ]
    return [
        Warning(
            f"CHANNEL_LAYERS['{layer.alias}'] has the {name} {layer.option(name)!r}, Moorline {theirs!r}. {why}",
            hint=f"Set '{name}' in CONFIG to what --layer-{name} says, and name it in MOORLINE['LAYER_{name.upper()}'].",
            id=number,
        )
        for number, name, theirs, why, applies in rows
        if applies and layer.option(name) != theirs
    ]
