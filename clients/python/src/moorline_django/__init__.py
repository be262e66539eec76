"""Moorline beside Django: tokens for its sockets, messages and notices from your code, an outbox, and checks.

Add `moorline_django` to `INSTALLED_APPS` and set `MOORLINE`; `docs/django.md` has the whole way. Importing this
package touches no model, so that it may be imported from anywhere, `settings.py` and `asgi.py` included.
"""

from .errors import Misdirected, MoorlineError, Refused, Unavailable
from .events import EventPage, read_events
from .messages import Posted, post_message
from .notices import Shown, notify
from .people import add_member, create_room, put_user, remove_member
from .tokens import token

__all__ = [
    "EventPage",
    "Misdirected",
    "MoorlineError",
    "Posted",
    "Refused",
    "Shown",
    "Unavailable",
    "add_member",
    "create_room",
    "notify",
    "post_message",
    "put_user",
    "read_events",
    "remove_member",
    "token",
]
