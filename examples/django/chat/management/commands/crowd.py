"""`manage.py crowd`: a room of many people and rooms of two, for `bench.py`; prints their session cookies as JSON."""

import json
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from chat.models import Room


class Command(BaseCommand):
    """Makes them and signs all of them in."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """How many."""
        parser.add_argument("--people", type=int, default=1000)
        parser.add_argument("--pairs", type=int, default=25)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Makes them."""
        crowd = self._room("crowd", options["people"])
        pairs = [self._room(f"pair-{number}", 2) for number in range(options["pairs"])]
        json.dump({"crowd": crowd, "pairs": pairs}, self.stdout)

    def _room(self, slug: str, count: int) -> list[str]:
        room = Room.objects.create(slug=slug, name=slug)
        names = [f"{slug}-{number}" for number in range(count)]
        User.objects.bulk_create([User(username=name, password="!") for name in names])
        people = list(User.objects.filter(username__in=names))
        room.members.add(*people)
        return [session_of(person) for person in people]


def session_of(person: User) -> str:
    """What Django's login would put into the cookie."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return str(session.session_key)
