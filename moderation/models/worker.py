"""Who is working: one row per worker process, kept fresh by its relay thread."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """A worker process that was alive at `seen_at`, with so many threads. `clock`: what its own clock said then."""

    name = models.CharField(primary_key=True, max_length=200)
    threads = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_default=Now())
    clock = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
