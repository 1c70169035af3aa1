"""The columns of a row that is also a message: outbox, inbox, lease and backoff in one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

OUT = models.Q(published_until__isnull=False) | models.Q(lease_until__isnull=False)
"""What may be in somebody's hands (their time may be over): few rows, so an index of them counts them at once."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease in hand. `at`: the database's clock when it was asked for; `asked`: this process's monotonic clock at
    that moment. A process that was stopped finds out by the second one that its lease is over: no clock that somebody
    can set is asked, and no statement is needed."""

    at: datetime
    asked: float
    lasts: timedelta

    @property
    def ends(self) -> float:
        """When the lease is over, on this process's monotonic clock; never later than by the row."""
        return self.asked + self.lasts.total_seconds()

    def is_over(self) -> bool:
        return time.monotonic() >= self.ends

    def now(self) -> datetime:
        """The database's clock, without asking it again."""
        return self.at + timedelta(seconds=time.monotonic() - self.asked)


class Work(models.Model):
    """Something a worker must do once, though it may try more than once. All times are the database's clock.

    `due_at`: not before this. `published_until`: a message about it is under way; published again after this.
    `lease_*`: a worker is at it, with this token, until then. `attempts` counts leases taken. `taken`: no column; the
    lease, on a row that was just taken.
    """

    taken: Taken

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
