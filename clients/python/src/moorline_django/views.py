"""The view behind `--auth-url`: Moorline shows it a browser's session cookie, and it says who that is.

    path("moorline/auth/", moorline_django.views.session)

So a page behind Django's login needs no token. It answers 401 and not a redirect, which would be no answer.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .conf import settings
from .ids import person_id, person_name

EXPIRES_IN = 300
"""Seconds for which an answer holds: a logout here takes effect there within them."""


@never_cache
@require_safe
def session(request: HttpRequest) -> HttpResponse:
    """Who is signed in, by the ids and names that `token()` uses."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return HttpResponse(status=401)
    configured = settings()
    who = person_id(user, configured)
    person = {"id": who, "name": person_name(user, configured) or who}
    return JsonResponse({"user": person, "expires_in": EXPIRES_IN})
