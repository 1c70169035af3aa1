"""The columns of a row that is also a message: outbox, inbox, lease and backoff in one."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

OUT = models.Q(published_until__isnull=False) | models.Q(lease_until__isnull=False)
"""What may be in somebody's hands (their time may be over): few rows, so an index of them counts them at once."""


class Work(models.Model):
    """Something a worker must do once, though it may try more than once. All times are the database's clock.

    `due_at`: not before this. `published_until`: a message about it is under way; published again after this.
    `lease_*`: a worker is at it, with this token, until then. `attempts` counts leases taken.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    priority = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField(db_default=Now())
    published_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True
