"""System checks: what is wrong in the settings, why it hurts, and what to do, before a user notices.

Django runs them at `manage.py check`, `runserver` and `migrate`. Each has a stable id, `moorline.W001` and so on, for
`SILENCED_SYSTEM_CHECKS`. They connect to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from ..conf import Settings, settings
from . import handlers, layer, redis_py, secrets

TAG = "moorline"


@register(TAG)
def check(app_configs: Sequence[Any] | None = None, **_rest: Any) -> list[CheckMessage]:
    """All of them; a `MOORLINE` that cannot be read is the only finding there is."""
    try:
        configured = settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="See docs/django.md of Moorline for every key.", id="moorline.E001")]
    return findings(configured)


def findings(configured: Settings) -> list[CheckMessage]:
    """What the settings of Channels and of Moorline tell together."""
    found = secrets.check(configured)
    config = layer.configured(configured.layer)
    if config is not None:
        found += layer.check(config, configured)
        found += redis_py.check(config)
    return found + handlers.check(configured)


__all__ = ["TAG", "check", "findings"]
