"""Settings from the environment; `run.py` and `deploy/compose.dev.yml` set it.

The channel layer is what projects have: channels_redis, a password in REDIS_URL, capacity 1500, expiry 10. Moorline is
started with the same REDIS_URL and takes part in it.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent.parent
DEBUG = os.environ.get("DEBUG") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY") or "only for this machine"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "moorline_django",
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "example.urls"
ASGI_APPLICATION = "example.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "rooms"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def database(url: str) -> dict[str, object]:
    """PostgreSQL by URL, or SQLite in a file."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path, "OPTIONS": {"timeout": 20}}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 60,
    }


DATABASES = {"default": database(os.environ.get("DATABASE_URL") or f"sqlite://{HERE / 'db.sqlite3'}")}

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py 8 would give up an idle read after 5 s and open 100 connections; either ends a consumer.
            "hosts": [{"address": REDIS_URL, "socket_timeout": None, "max_connections": 10_000}],
            "capacity": 1500,
            "expiry": 10,
        },
    }
}

# Where a message goes that somebody writes: `django` is the chat as it was before the move, through the ORM and
# group_send; `moorline` is beside Moorline, so that both sides share the rooms.
CHAT_THROUGH = os.environ.get("CHAT_THROUGH", "moorline")
MOORLINE_EVENTS = "group=chat_{room} type=chat.event"
MOORLINE_PUBLIC_URL = os.environ.get("CHAT_MOORLINE_PUBLIC_URL", "http://127.0.0.1:8000")
MOORLINE = {
    "URL": os.environ.get("CHAT_MOORLINE_URL", "http://127.0.0.1:8000"),
    "REDIS_URL": REDIS_URL,
    "DJANGO_EVENTS": MOORLINE_EVENTS,
}
for key in ("API_KEY", "API_KEY_FILE", "JWT_SECRET", "JWT_SECRET_FILE"):
    if os.environ.get(f"CHAT_{key}"):
        MOORLINE[key] = os.environ[f"CHAT_{key}"]
