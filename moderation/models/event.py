"""The history of every case, append-only, and its seal."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from moderation.models.case import Case
from moderation.models.client import Client

FORM = 2
"""How events are written now. Form 1, up to November 2026, had words and names in `actor` and `data`, no `door`, no
`user` and no digests."""


class Event(models.Model):
    """One line of a case's history. A trigger (migration 0002) refuses UPDATE, DELETE and TRUNCATE.

    It holds ids of our own rows and codes, and not one word of anybody's: those stand in the rows, and can be erased
    there. Who did it: `user`, or else the `client` (door `api`), or else what `actor` says (agent, guardian, operator).
    `digests`: of the rows it tells of, by "fact:id" (moderation.models.facts).
    """

    id = models.BigAutoField(primary_key=True)
    form = models.PositiveSmallIntegerField(default=FORM, db_default=1)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="events")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, null=True, related_name="+")
    type = models.CharField(max_length=60)
    actor = models.CharField(max_length=200, blank=True, default="")
    door = models.CharField(max_length=10, blank=True, default="", db_default="")
    # Without an index: every event would pay for it, and accounts are closed, not deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    data = models.JSONField(default=dict)
    digests = models.JSONField(null=True, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["at"], name="event_by_time")]

    def __str__(self) -> str:
        return self.type


class Seal(models.Model):
    """An event's place in the chain, given after commit by the one sealing job: nothing ever appears behind a place
    already given. `hash` = sha256(previous hash + canonical event). `mac`: position and hash under the key `key_id`
    names; null in seals of before there were keys, which the head counts. See docs/audit.md."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="seal")
    hash = models.CharField(max_length=64)
    mac = models.CharField(max_length=64, null=True)
    key_id = models.CharField(max_length=16, null=True)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}"


class AuditHead(models.Model):
    """The chain's head, one row, made by a migration and moved in the transaction that seals: how many entries, the
    last one's hash, and what follows, all under the key. That the end of the chain was cut is seen by this.

    `bound`: every event up to this id is sealed, or will never be. `mark`: an id that could not be a bound yet because
    `holders` (virtual transaction ids) were still writing when it was the newest. `unkeyed`: how many of the first
    entries were sealed before there were keys. `first_form`: up to this id events may be of form 1; null until the
    first sealing, as processes of the previous release may write until then. `taken_over`: how many entries another
    key's head counted when this key took over from it.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    entries = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)
    key_id = models.CharField(max_length=16)
    at = models.DateTimeField(db_default=Now())
    bound = models.BigIntegerField(default=0)
    mark = models.BigIntegerField(default=0)
    holders = ArrayField(models.CharField(max_length=40), default=list)
    unkeyed = models.BigIntegerField(default=0)
    first_form = models.BigIntegerField(null=True)
    taken_over = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_audit_head")]

    def __str__(self) -> str:
        return f"{self.entries} entries"
