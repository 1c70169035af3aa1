"""The forum's own data: what any client app has, and what it must remember to obey its orders rightly."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

if TYPE_CHECKING:
    from datetime import datetime


class Author(models.Model):
    """Somebody who writes here; the name is what the moderation service knows them by (`author_id`)."""

    name = models.CharField(max_length=80, unique=True)
    is_banned = models.BooleanField(default=False)
    suspended_until = models.DateTimeField(null=True, blank=True)
    warnings = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name

    def suspension_ends(self) -> datetime | None:
        """When this author may write again, or None if that is now. The forum ends suspensions itself."""
        return self.suspended_until if self.suspended_until and self.suspended_until > timezone.now() else None


def new_content_id() -> str:
    return f"post-{uuid.uuid4()}"


class Post(models.Model):
    """`is_…`: what the moderation service ordered. `case_id`: the newest case about it, empty while there is none."""

    content_id = models.CharField(max_length=200, unique=True, default=new_content_id)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="posts")
    text = models.TextField(max_length=20_000)
    language = models.CharField(max_length=10)
    created_at = models.DateTimeField(db_default=Now())
    is_removed = models.BooleanField(default=False)
    is_limited = models.BooleanField(default=False)
    is_age_gated = models.BooleanField(default=False)
    is_labelled = models.BooleanField(default=False)
    case_id = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.content_id


class Verdict(models.Model):
    """What Guardian said last about a case. `version` tells which of two notices is the newer one; `reason` is the
    plain one of the newest statement of reasons, which the author may read."""

    case_id = models.CharField(max_length=40, unique=True)
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="verdicts")
    version = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    status = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20, blank=True, default="")
    reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.outcome or self.status}"

    @property
    def can_be_appealed(self) -> bool:
        """Has something been decided? Who may appeal it, and until when, is Guardian's to say."""
        return self.outcome != "withdrawn" and (bool(self.outcome) or self.round > 1)


class Appeal(models.Model):
    """Somebody's appeal of what was decided about a post. `status_url`: where that person, and nobody else, can follow
    it."""

    appeal_id = models.CharField(max_length=40, unique=True)
    case_id = models.CharField(max_length=40)
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="appeals")
    person = models.CharField(max_length=200)
    side = models.CharField(max_length=10)
    status = models.CharField(max_length=20)
    statement = models.TextField(blank=True, default="")
    answer = models.TextField(blank=True, default="")
    status_url = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.person}: {self.status}"


class Bookmark(models.Model):
    """How far the forum has read Guardian's feed (see moderation.demo.catch_up); one row."""

    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.position)


class Mark(models.Model):
    """How far the forum has obeyed: the highest `sequence` for one effect (an action and its reversal are one, named by
    the action) on one content or author, and whether that was a reversal. An order that comes late is told by it."""

    kind = models.CharField(max_length=10)
    about = models.CharField(max_length=200)
    effect = models.CharField(max_length=40)
    sequence = models.PositiveBigIntegerField()
    is_reversal = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "about", "effect"], name="forum_one_mark")]

    def __str__(self) -> str:
        return f"{self.effect} of {self.about}: {self.sequence}"


class Receipt(models.Model):
    """One webhook that was obeyed, or a notice that was taken in (`action` is empty then). `webhook_id` is unique: a
    webhook that comes again gets its first answer again.

    The receipts of suspensions are also the forum's memory of who is suspended for which case; `is_over` ones no longer
    count (see moderation.demo.orders).
    """

    webhook_id = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=40)
    action = models.CharField(max_length=40)
    case_id = models.CharField(max_length=40)
    decision_id = models.CharField(max_length=40)
    content_id = models.CharField(max_length=200)
    author_id = models.CharField(max_length=200)
    expires_at = models.DateTimeField(null=True, blank=True)
    is_over = models.BooleanField(default=False)
    result = models.CharField(max_length=10)
    detail = models.CharField(max_length=200, blank=True, default="")
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["author_id", "action"], name="forum_receipt_author"),
            models.Index(fields=["content_id"], name="forum_receipt_content"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.content_id}: {self.result}"
