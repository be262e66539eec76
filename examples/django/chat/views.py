"""The pages: one's rooms, a room by Channels, the same room by Moorline, and what both need."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from moorline_django import MoorlineError, notify, post_message, token

from .log import catch_up, shown
from .models import Order, Room

PAGE = 100


@login_required
def rooms(request: HttpRequest) -> HttpResponse:
    """One's rooms."""
    return render(request, "chat/rooms.html", {"rooms": request.user.rooms.order_by("name")})


@login_required
def room(request: HttpRequest, room: str) -> HttpResponse:
    """A room whose socket Daphne holds."""
    found = get_object_or_404(request.user.rooms, slug=room)
    return render(request, "chat/room.html", {"room": found})


@login_required
def moorline_room(request: HttpRequest, room: str) -> HttpResponse:
    """The same room, its socket held by Moorline, which knows people by Django's session, or with ?by=token by a token."""
    found = get_object_or_404(request.user.rooms, slug=room)
    shown = {"room": found, "moorline": settings.MOORLINE_PUBLIC_URL, "by_session": request.GET.get("by") != "token"}
    return render(request, "chat/moorline.html", shown)


@login_required
def messages(request: HttpRequest, room: str) -> JsonResponse:
    """The newest messages, or all after `after`, a seq; complete, whatever the layer dropped."""
    found: Room = get_object_or_404(request.user.rooms, slug=room)
    after = int(request.GET["after"]) if request.GET.get("after", "").isdigit() else None
    is_complete = True
    if settings.CHAT_THROUGH == "moorline":
        try:
            catch_up(found)
        except MoorlineError:
            is_complete = False
    rows = found.messages.select_related("author", "room")
    newest = rows.order_by("-at", "-seq")[:PAGE] if after is None else rows.filter(seq__gt=after).order_by("-seq")
    told = [shown(message) for message in reversed(newest)]
    return JsonResponse({"messages": told, "seq": found.seq, "complete": is_complete})


@login_required
@require_POST
def order(request: HttpRequest, room: str) -> HttpResponse:
    """An order and the message about it: both are there, or neither; the outbox sends it. The notice is for the moment."""
    found = get_object_or_404(request.user.rooms, slug=room)
    with transaction.atomic():
        number = (Order.objects.order_by("-number").values_list("number", flat=True).first() or 4710) + 1
        Order.objects.create(number=number, room=found)
        post_message(found.slug, request.user, f"Order {number} is paid.", durable=True)
        transaction.on_commit(lambda: notify("order.paid", {"number": number}, room=found.slug), robust=True)
    return redirect("room", room=found.slug)


@login_required
def token_for_page(request: HttpRequest) -> JsonResponse:
    """A token with which the page says hello to Moorline; fetched again when one is refused."""
    return JsonResponse({"token": token(request.user)})
