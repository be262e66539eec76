"""The setting `MOORLINE`, read once and checked. Every other module asks here; none reads `django.conf` itself.

Secrets may stand in files (`API_KEY_FILE`, `JWT_SECRET_FILE`), as Moorline's own options have it. They are kept out of
every `repr`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

FILES = {"API_KEY_FILE": "API_KEY", "JWT_SECRET_FILE": "JWT_SECRET", "REDIS_URL_FILE": "REDIS_URL"}


@dataclass(frozen=True)
class DjangoEvents:
    """One `--django-events` of the server: which group hears of a room, and under which type."""

    group: str
    type: str

    @property
    def handler(self) -> str:
        """The method of a consumer that Channels calls for the type."""
        return self.type.replace(".", "_")


@dataclass(frozen=True)
class Settings:
    """`MOORLINE`, key by key in lower case. Times are in seconds."""

    url: str = "http://127.0.0.1:8000"
    """Where the server answers, as this process reaches it; no path behind a proxy is lost."""
    public_url: str | None = None
    """Where browsers reach it, if that is another address."""
    api_key: str | None = field(default=None, repr=False)
    jwt_secret: str | None = field(default=None, repr=False)
    token_seconds: int = 3600
    timeout: float = 5.0
    """For one attempt."""
    retry: float = 10.0
    """For all attempts of one call together; below the patience of what called you."""
    user_id: Callable[[Any], str] | None = None
    """A person's id in Moorline from one of your users, itself or its dotted path; without it the primary key."""
    user_name: Callable[[Any], str] | None = None
    """The name that others read; without it the full name, else the login name."""
    may_join: Callable[[Any, str], bool] | None = None
    """Whether a user of yours may join a room by its widget, itself or its dotted path; without it only members get in."""
    layer: str = "default"
    """Which of CHANNEL_LAYERS Moorline takes part in."""
    redis_url: str | None = field(default=None, repr=False)
    """What Moorline has as REDIS_URL; with it the checks compare both sides."""
    layer_kind: str = "core"
    layer_prefix: str = "asgi"
    layer_capacity: int = 1500
    layer_expiry: int = 10
    django_events: tuple[DjangoEvents, ...] = ()

    @property
    def browser_url(self) -> str:
        """The server as pages name it."""
        return (self.public_url or self.url).rstrip("/")


TYPES: dict[str, tuple[type, ...]] = {
    "url": (str,),
    "public_url": (str, type(None)),
    "api_key": (str, type(None)),
    "jwt_secret": (str, type(None)),
    "token_seconds": (int,),
    "timeout": (int, float),
    "retry": (int, float),
    "layer": (str,),
    "redis_url": (str, type(None)),
    "layer_kind": (str,),
    "layer_prefix": (str,),
    "layer_capacity": (int,),
    "layer_expiry": (int,),
}


@lru_cache(maxsize=1)
def settings() -> Settings:
    """`MOORLINE` as it stands, or `ImproperlyConfigured` with what to change."""
    given = getattr(django_settings, "MOORLINE", None)
    if given is None:
        raise ImproperlyConfigured("MOORLINE is not set: MOORLINE = {'URL': 'http://127.0.0.1:8000', 'API_KEY': …}")
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("MOORLINE must be a dict.")
    return read(given)


@setting_changed.connect
def _forget(*, setting: str, **_rest: object) -> None:
    if setting == "MOORLINE":
        settings.cache_clear()


def read(given: Mapping[str, Any]) -> Settings:
    """The typed form of a `MOORLINE` dict."""
    known = {one.name.upper() for one in fields(Settings)}
    unknown = sorted(set(given) - known - set(FILES))
    if unknown:
        raise ImproperlyConfigured(
            f"MOORLINE has unknown keys: {', '.join(map(str, unknown))}. Known are {', '.join(sorted(known | set(FILES)))}."
        )
    values = {name.lower(): value for name, value in given.items() if name not in FILES}
    for file_key, key in FILES.items():
        if file_key in given:
            values[key.lower()] = _secret_of_file(given, file_key, key)
    for name, types in TYPES.items():
        if name in values and (not isinstance(values[name], types) or isinstance(values[name], bool)):
            raise ImproperlyConfigured(f"MOORLINE['{name.upper()}'] has the wrong type: {type(values[name]).__name__}.")
    for name in ("user_id", "user_name", "may_join"):
        values[name] = _callable(name, values.get(name))
    values["django_events"] = _events(values.get("django_events"))
    result = Settings(**values)
    _check(result)
    return result


def _secret_of_file(given: Mapping[str, Any], file_key: str, key: str) -> str:
    if key in given:
        raise ImproperlyConfigured(f"MOORLINE has both {key} and {file_key}: keep the file.")
    try:
        return Path(given[file_key]).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise ImproperlyConfigured(f"MOORLINE['{file_key}'] cannot be read: {error}") from error


def _callable(name: str, given: object) -> Callable[..., Any] | None:
    if isinstance(given, str):
        try:
            given = import_string(given)
        except ImportError as error:
            raise ImproperlyConfigured(f"MOORLINE['{name.upper()}'] cannot be imported: {error}") from error
    if given is None or callable(given):
        return given
    raise ImproperlyConfigured(
        f"MOORLINE['{name.upper()}'] must be a function of {'a user and a room' if name == 'may_join' else 'a user'}, or its dotted path."
    )


def _events(given: object) -> tuple[DjangoEvents, ...]:
    texts = [given] if isinstance(given, str) else ([] if given is None else given)
    if not isinstance(texts, (list, tuple)):
        texts = [given]
    return tuple(_event(text) for text in texts)


def _event(text: object) -> DjangoEvents:
    words = text.split() if isinstance(text, str) else []
    pairs = dict(word.partition("=")[::2] for word in words)
    if len(words) != 2 or set(pairs) != {"group", "type"} or not all(pairs.values()):
        raise ImproperlyConfigured(
            f"MOORLINE['DJANGO_EVENTS'] must say what the server's --django-events says, "
            f"'group=chat.{{room}} type=chat.event', or be a list of such texts, not {text!r}."
        )
    return DjangoEvents(**pairs)


def _check_url(name: str, url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or parts.query or parts.fragment or parts.username:
        raise ImproperlyConfigured(
            f"MOORLINE['{name.upper()}'] must be like http://host:8000 or https://host/path, not {url!r}."
        )


def _check(given: Settings) -> None:
    for name in ("url", "public_url"):
        _check_url(name, getattr(given, name))
    for name in ("timeout", "retry", "token_seconds"):
        if getattr(given, name) <= 0:
            raise ImproperlyConfigured(f"MOORLINE['{name.upper()}'] must be above 0.")
    if given.layer_kind not in ("core", "pubsub"):
        raise ImproperlyConfigured("MOORLINE['LAYER_KIND'] must be core or pubsub, as the server's --layer.")
