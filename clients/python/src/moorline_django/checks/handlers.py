"""Check that every consumer that joins the group of `--django-events` has a handler for its type.

Channels ends a consumer that gets a type it has no method for: `No handler for message type …`, close code 1011. The
routes of `ASGI_APPLICATION` are walked for consumers; which of them may join the group is read from their sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from ..conf import DjangoEvents, Settings
from .groups import may_join

DEEPEST = 20
"""Wrappers of an application, such as AuthMiddlewareStack, that are looked through."""


def check(configured: Settings) -> list[CheckMessage]:
    """W010 for each consumer without the handler; W014 where the routes cannot be looked at."""
    if not configured.django_events:
        return []
    path = getattr(django_settings, "ASGI_APPLICATION", None)
    try:
        application = import_string(path) if path else None
    except Exception as error:
        # The project's own code runs here and may raise anything; `check` has to go on.
        return [_unreadable(str(path), error)]
    seen: dict[type, None] = dict.fromkeys(consumers(application))
    return [
        _missing(consumer, events)
        for events in configured.django_events
        for consumer in seen
        if _lacks(consumer, events)
    ]


def _lacks(consumer: type, events: DjangoEvents) -> bool:
    return not callable(getattr(consumer, events.handler, None)) and may_join(consumer, events.group)


def consumers(application: Any, depth: int = DEEPEST) -> Iterator[type]:
    """The classes of all consumers below an ASGI application."""
    if application is None or depth == 0:
        return
    found = getattr(application, "consumer_class", None)
    if isinstance(found, type):
        yield found
        return
    mapping = getattr(application, "application_mapping", None)
    if isinstance(mapping, dict):
        for inner in mapping.values():
            yield from consumers(inner, depth - 1)
        return
    routes = getattr(application, "routes", None)
    if isinstance(routes, (list, tuple)):
        for route in routes:
            yield from consumers(getattr(route, "callback", None), depth - 1)
        return
    # Middleware keeps what it wraps in `inner` (Channels), `application` (its validators) or `app`.
    for name in ("inner", "application", "app"):
        yield from consumers(getattr(application, name, None), depth - 1)


def _missing(consumer: type, events: DjangoEvents) -> CheckMessage:
    name = f"{consumer.__module__}.{consumer.__qualname__}"
    return Warning(
        f"{name} may join the group {events.group}, to which Moorline sends the type {events.type!r} "
        f"(--django-events), but has no method {events.handler}. The first such event ends it, and its socket is closed "
        "with 1011.",
        hint=f"Add `async def {events.handler}(self, event)`, or let it join another group.",
        obj=consumer,
        id="moorline.W010",
    )


def _unreadable(path: str, error: Exception) -> CheckMessage:
    return Warning(
        f"ASGI_APPLICATION, {path}, cannot be imported ({type(error).__name__}: {error}), so it is not known whether "
        "every consumer has a handler for MOORLINE['DJANGO_EVENTS'].",
        hint="Mend the import, or silence this if the sockets are served elsewhere.",
        id="moorline.W014",
    )
