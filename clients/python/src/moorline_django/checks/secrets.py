"""Checks of the two secrets that this process shares with Moorline."""

from __future__ import annotations

from django.core.checks import CheckMessage, Warning

from ..conf import Settings

SECRET_BYTES = 32


def check(configured: Settings) -> list[CheckMessage]:
    """W012: a secret that can be guessed."""
    found: list[CheckMessage] = []
    for name, value in (("API_KEY", configured.api_key), ("JWT_SECRET", configured.jwt_secret)):
        if value is not None and len(value.encode()) < SECRET_BYTES:
            found.append(
                Warning(
                    f"MOORLINE['{name}'] is shorter than {SECRET_BYTES} bytes. Whoever guesses it can act as anyone.",
                    hint="Make one with `openssl rand -hex 32`, for Moorline and for Django.",
                    id="moorline.W012",
                )
            )
    return found
