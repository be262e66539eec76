"""Tokens with which a page opens its socket: JWT, HS256 with the secret that Moorline has as `--jwt-secret-file`.

Made here with the standard library alone; the form is fixed and small.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .conf import settings
from .ids import person_id, person_name, room_id

MAX_BYTES = 16 * 1024
"""What the server reads of a token; about 200 rooms with long ids."""
RESERVED = "u_"
"""Ids of the server's built-in accounts begin so."""


def token(
    user: Any,
    *,
    rooms: Iterable[str] | None = None,
    name: str | None = None,
    seconds: int | None = None,
) -> str:
    """A token that says who `user` is, a user of yours or an id, for `seconds` (`TOKEN_SECONDS`, an hour).

    `rooms` are rooms that its holder may join; a removal that is younger than the token stays. `name` is what others
    read, from the user where it is absent. An anonymous or deactivated user gets none: `ValueError`.
    """
    configured = settings()
    if configured.jwt_secret is None:
        raise ImproperlyConfigured("MOORLINE has no JWT_SECRET: give it the secret of the server's --jwt-secret-file.")
    if getattr(user, "is_active", True) is False:
        raise ValueError("an anonymous or deactivated user gets no token")
    who = person_id(user, configured)
    if who.startswith(RESERVED):
        raise ValueError(f"ids that begin with {RESERVED} belong to the server's own accounts: {who!r}")
    now = int(time.time())
    lasts = configured.token_seconds if seconds is None else seconds
    if lasts <= 0:
        raise ValueError("seconds must be above 0")
    claims: dict[str, object] = {"sub": who, "iat": now, "exp": now + lasts, "aud": "moorline"}
    shown = name if name is not None else person_name(user, configured)
    if shown:
        claims["name"] = shown
    if rooms is not None:
        if isinstance(rooms, str):
            raise TypeError("rooms is a list of room ids, not one text")
        claims["rooms"] = [room_id(room) for room in rooms]
    made = _signed(claims, configured.jwt_secret.encode())
    if len(made) > MAX_BYTES:
        raise ValueError("the token is longer than 16 KiB: name fewer rooms, and add members by add_member()")
    return made


def _signed(claims: dict[str, object], secret: bytes) -> str:
    head = _part({"alg": "HS256", "typ": "JWT"}) + "." + _part(claims)
    return head + "." + _base64(hmac.new(secret, head.encode(), hashlib.sha256).digest())


def _part(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
