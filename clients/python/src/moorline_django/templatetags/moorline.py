"""`{% load moorline %}{% moorline_widget room %}`: a room in a template, for whoever is signed in to Django.

It writes the element and, once a page, the script that makes it work; no line of script stands in the page itself, so a
policy needs no `unsafe-inline`. `docs/widget.md` has the element's attributes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template.base import token_kwargs
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..conf import settings
from ..ids import room_id

register = template.Library()

ATTRIBUTES = ("display", "theme", "lang", "loading", "id", "class")
"""What the tag passes on as it is."""
FLAGS = ("open", "frame")
"""What stands there or not."""
SCRIPT = object()
"""Where a template notes that the script is in it already."""


@register.tag
def moorline_widget(parser: template.base.Parser, token: template.base.Token) -> template.Node:
    """`{% moorline_widget room display="floating" theme="dark" frame=True token_endpoint=url %}`; all but the room may be absent."""
    name, *words = token.split_contents()
    if not words:
        raise template.TemplateSyntaxError(f"{name} needs a room: {{% {name} 'lobby' %}}")
    room, *rest = words
    given = token_kwargs(rest, parser)
    known = {*ATTRIBUTES, *FLAGS, "token_endpoint"}
    if rest or not known.issuperset(given):
        strange = ", ".join([*rest, *sorted(set(given) - known)])
        raise template.TemplateSyntaxError(f"{name} does not know {strange}; it takes {', '.join(sorted(known))}")
    return Widget(parser.compile_filter(room), given)


class Widget(template.Node):
    """The tag in a template."""

    def __init__(self, room: Any, given: dict[str, Any]) -> None:
        self.room = room
        self.given = given

    def render(self, context: template.Context) -> SafeString:
        """The element, and the script before the first one of a page."""
        room = room_id(self.room.resolve(context))
        given = {name: value.resolve(context) for name, value in self.given.items()}
        endpoint = given.pop("token_endpoint", None) or _own_endpoint(room)
        pairs = [("server", settings().browser_url), ("room", room), ("token-endpoint", endpoint)]
        pairs += [(name, given[name]) for name in ATTRIBUTES if given.get(name) not in (None, "")]
        flags = [(name,) for name in FLAGS if given.get(name)]
        element = format_html(
            "<moorline-chat{}{}></moorline-chat>",
            format_html_join("", ' {}="{}"', pairs),
            format_html_join("", " {}", flags),
        )
        return _script(context) + element


def _script(context: template.Context) -> SafeString:
    # The bottom of a context is shared by all that one page is made of, loops and included templates too.
    page = context.dicts[0]
    if SCRIPT in page:
        return SafeString("")
    page[SCRIPT] = True
    nonce = _nonce(context)
    return format_html(
        '<script type="module" src="{}/embed.js"{}></script>',
        settings().browser_url,
        format_html(' nonce="{}"', nonce) if nonce else "",
    )


def _nonce(context: template.Context) -> str:
    """The policy's word for this answer: django-csp has it at the request, Django 6 in the context."""
    request = context.get("request")
    found = context.get("csp_nonce") or getattr(request, "csp_nonce", None)
    return str(found) if found else ""


def _own_endpoint(room: str) -> str:
    try:
        return f"{reverse('moorline:token')}?{urlencode({'room': room})}"
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            "{% moorline_widget %} finds no token endpoint: add path('moorline/', include('moorline_django.urls')) to "
            "your urls, or name one of your own by token_endpoint=…"
        ) from error
