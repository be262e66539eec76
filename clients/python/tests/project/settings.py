"""Settings from the environment, so that a command in another process has the same."""

import json
import os
import tempfile
from pathlib import Path

SECRET_KEY = "only for tests"
DEBUG = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "moorline_django", "project"]
_FALLBACK = str(Path(tempfile.gettempdir()) / "moorline-django-unused.sqlite3")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_DATABASE", _FALLBACK),
        "OPTIONS": {"timeout": 20},
    }
}
USE_TZ = True
MOORLINE = json.loads(os.environ.get("TEST_MOORLINE", "{}"))
