"""The Django app: its label is `moorline`, and it brings the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class MoorlineConfig(AppConfig):
    """`moorline_django` in `INSTALLED_APPS`."""

    name = "moorline_django"
    label = "moorline"
    verbose_name = "Moorline"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers the checks, by being imported."""
        from . import checks  # noqa: F401
