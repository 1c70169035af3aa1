"""The history of every case, append-only, and its seal."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from moderation.models.case import Case
from moderation.models.client import Client


class Event(models.Model):
    """One line of a case's history. A trigger (migration 0002) refuses UPDATE, DELETE and TRUNCATE."""

    id = models.BigAutoField(primary_key=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="events")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, null=True, related_name="+")
    type = models.CharField(max_length=60)
    actor = models.CharField(max_length=250)  # a name of up to 200, and what it is before it
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["at"], name="event_by_time")]

    def __str__(self) -> str:
        return self.type


class Seal(models.Model):
    """An event's place in the chain, given after commit by the one sealing job: nothing ever appears behind a place
    already given. `hash` = sha256(previous hash + canonical event); see moderation.services.record.audit."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="seal")
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}"
