"""`manage.py say ROOM TEXT`: what any view of a Django project does with `group_send`."""

from argparse import ArgumentParser

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Sends a text to everybody in a room."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("room")
        parser.add_argument("text")
        parser.add_argument("--type", default="chat.message")

    def handle(self, *args: object, **options: str) -> None:
        message = {"type": options["type"], "message": options["text"]}
        async_to_sync(get_channel_layer().group_send)(f"chat_{options['room']}", message)
