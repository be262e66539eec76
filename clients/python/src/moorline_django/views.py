"""What others ask of Django: Moorline, whose a session cookie is (`session`, behind `--auth-url`), and the widget, a token.

    path("moorline/auth/", moorline_django.views.session)
    path("moorline/", include("moorline_django.urls"))

Both answer 401 and not a redirect to a form, which would be no answer.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .conf import settings
from .ids import person_id, person_name, room_id
from .tokens import token

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


@never_cache
@require_safe
def widget_token(request: HttpRequest) -> HttpResponse:
    """A token for whoever is signed in, as the widget's `token-endpoint`; `?room=` is what they want to see.

    The token lets them join that room if `MAY_JOIN` says so. Members need nothing of it.
    """
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return JsonResponse({"error": {"code": "unauthorized", "message": "Nobody is signed in."}}, status=401)
    asked = request.GET.get("room")
    try:
        rooms = None if asked is None else [room_id(asked)]
    except ValueError as error:
        return JsonResponse({"error": {"code": "invalid", "message": str(error)}}, status=400)
    may_join = settings().may_join
    if asked is not None and not (may_join is not None and may_join(user, asked)):
        rooms = None
    return JsonResponse({"token": token(user, rooms=rooms)})
