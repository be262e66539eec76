"""`manage.py demo`: the tables, two people and two rooms, here and in Moorline. The same again changes nothing."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import WARNING
from django.core.management import call_command
from django.core.management.base import BaseCommand

from chat.models import Room
from moorline_django import add_member, create_room, put_user

PEOPLE = {"ann": "ann-has-a-password", "bob": "bob-has-a-password"}
ROOMS = {"harbour": "Harbour", "lobby": "Lobby"}


class Command(BaseCommand):
    """Makes what one needs to look around."""

    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Makes it and says how to sign in."""
        # Whatever the checks find would be a socket that drops later.
        self.check(fail_level=WARNING)
        call_command("migrate", verbosity=0)
        people = [self._person(name, password) for name, password in PEOPLE.items()]
        for slug, name in ROOMS.items():
            room, _ = Room.objects.get_or_create(slug=slug, defaults={"name": name})
            room.members.add(*people)
            if settings.CHAT_THROUGH == "moorline":
                self._in_moorline(room, people)
        said = ", ".join(f"{name} / {password}" for name, password in PEOPLE.items())
        self.stdout.write(f"sign in as {said}")

    def _person(self, name: str, password: str) -> User:
        user, is_new = User.objects.get_or_create(username=name)
        if is_new:
            user.set_password(password)
            user.save()
        return user

    def _in_moorline(self, room: Room, people: list[User]) -> None:
        for person in people:
            put_user(person)
        create_room(room.slug, name=room.name, members=people)
        for person in people:
            add_member(room.slug, person)
