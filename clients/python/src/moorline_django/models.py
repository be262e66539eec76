"""The outbox: messages that were written in the caller's transaction and are not acknowledged yet.

`post_message(durable=True)` writes rows, `outbox` sends and deletes them. A row that is here was not lost; one that the
server refused for good stays, with its reason, until somebody looks.
"""

from __future__ import annotations

from django.db import models


class OutboxMessage(models.Model):
    """One message on its way. Rows of a room are sent in the order of their ids."""

    key = models.CharField(max_length=64, unique=True)
    """The idempotency key, so that sending again stores nothing again."""
    room = models.CharField(max_length=64)
    sender = models.CharField(max_length=128)
    body = models.TextField()
    reply_to = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    """When the server refused it for good; such a row is passed over."""
    error = models.TextField(blank=True, default="")

    class Meta:
        """One small table."""

        db_table = "moorline_outbox"
        verbose_name = "message in the outbox"
        verbose_name_plural = "messages in the outbox"
        indexes = [models.Index(fields=["refused_at", "id"], name="moorline_outbox_waiting")]

    def __str__(self) -> str:
        """For the admin and the shell; without the text, which is nobody's business there."""
        return f"{self.key} to {self.room}"
