"""Rooms, who is in them, and messages.

While both sides serve the rooms, Moorline's log is the truth of a room, and the rows here are a copy of it that pages
and reports read; `log.catch_up` completes it.
"""

from django.conf import settings
from django.db import models


class Room(models.Model):
    """A room; its slug is also its id in Moorline."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="rooms")
    seq = models.BigIntegerField(default=0)
    """Up to where the copy of Moorline's log is complete."""
    epoch = models.CharField(max_length=32, default="", blank=True)
    """Which life of the log `seq` is of."""

    def __str__(self) -> str:
        return self.name

    @property
    def group(self) -> str:
        """Its group in the channel layer, the one that `--django-events` names."""
        return f"chat_{self.slug}"


class Message(models.Model):
    """A message, as pages show it."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    body = models.TextField()
    at = models.DateTimeField()
    message = models.CharField(max_length=64, unique=True)
    """Its id: Moorline's, or one made here where the chat goes through Django alone."""
    seq = models.BigIntegerField(null=True)
    """Its place in Moorline's log."""

    class Meta:
        indexes = [models.Index(fields=["room", "at"])]

    def __str__(self) -> str:
        return f"{self.author}: {self.body[:40]}"


class Order(models.Model):
    """Something of the business that a room hears of: written in one transaction with its message."""

    number = models.PositiveIntegerField(unique=True)
    room = models.ForeignKey(Room, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"Order {self.number}"
