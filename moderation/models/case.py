"""Cases and the reports about them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from moderation.models.client import Client
from moderation.models.salted import Salted
from moderation.states import Outcome, Priority, Status

REVIEW_HOURS: dict[int, int] = {Priority.URGENT: 1, Priority.HIGH: 4, Priority.NORMAL: 24, Priority.LOW: 72}
"""Within how many hours a human should have decided, by priority."""


NO_CLAIM: dict[str, None] = {"claimed_by": None, "claim_token": None, "claim_until": None}
"""The columns of a case that nobody is reading."""


def live_claim(case: str = "") -> models.Q:
    """For querysets: somebody is reading this case now. `case`: the path to it, as "case__"."""
    return models.Q(**{f"{case}claim_until__gt": Now()})


class CaseQuerySet(models.QuerySet["Case"]):
    def waiting(self) -> CaseQuerySet:
        """Those that wait for a human's decision."""
        return self.filter(status=Status.PENDING_REVIEW)

    def with_claim(self) -> CaseQuerySet:
        """Each says in `is_claimed` whether its claim lives."""
        return self.annotate(is_claimed=models.ExpressionWrapper(live_claim(), models.BooleanField()))

    def open_to(self, user: int) -> CaseQuerySet:
        """Those that this person could claim, as far as other people's claims go."""
        return self.filter(~live_claim() | models.Q(claimed_by=user))


class ContentType(models.TextChoices):
    """What the content is on the client's platform."""

    TEXT = "text"
    POST = "post"
    COMMENT = "comment"
    MESSAGE = "message"
    PROFILE = "profile"
    REVIEW = "review"
    LISTING = "listing"
    OTHER = "other"


class Case(Salted):
    """One piece of content under moderation; the row every lock is taken on.

    `decision`: the one in force. `version` rises with status, round and decision only. `claim_*`: a moderator's
    short lease while reading; its token is made here and its expiry is on the database's clock. `thread_version`:
    the agent's graph version its stored thread was written by.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="cases")
    content_id = models.CharField(max_length=200)
    content_type = models.CharField(max_length=20, choices=ContentType.choices, default=ContentType.TEXT)
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    author_id = models.CharField(max_length=200)
    language = models.CharField(max_length=35, blank=True, default="")
    url = models.CharField(max_length=2000, blank=True, default="")
    context = models.JSONField(default=dict, blank=True)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)

    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING_ANALYSIS)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True, default="")
    round = models.PositiveIntegerField(default=1)
    version = models.PositiveIntegerField(default=1)
    decision = models.OneToOneField(
        "moderation.Decision", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    previous = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    thread_version = models.CharField(max_length=20, blank=True, default="")

    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    claim_token = models.UUIDField(null=True, blank=True)
    claim_until = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()

    objects = CaseQuerySet.as_manager()
    is_claimed: bool | None
    """Set by with_claim(), at the time of the query."""

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=Status.values), name="case_known_status"),
            models.CheckConstraint(
                condition=models.Q(status=Status.COMPLETED, outcome__in=Outcome.values)
                | (~models.Q(status=Status.COMPLETED) & models.Q(outcome="")),
                name="case_outcome_when_completed",
            ),
            models.UniqueConstraint(
                fields=["client", "content_id", "text_hash"],
                # A case that is opened again may meet one that was started meanwhile: a second review is nobody's to
                # prevent by posting the same text once more.
                condition=models.Q(round=1) & ~models.Q(status__in=[Status.COMPLETED, Status.ROLLING_BACK]),
                name="one_open_case_per_text",
            ),
            models.CheckConstraint(
                condition=models.Q(claimed_by=None, claim_token=None, claim_until=None)
                | models.Q(claimed_by__isnull=False, claim_token__isnull=False, claim_until__isnull=False),
                name="claim_whole_or_none",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-priority", "due_at", "id"],
                name="case_queue",
                condition=models.Q(status=Status.PENDING_REVIEW),
            ),
            models.Index(fields=["client", "-created_at", "-id"], name="case_by_client"),
            models.Index(fields=["client", "content_id"], name="case_by_content"),
            models.Index(fields=["client", "author_id"], name="case_by_author"),
            models.Index(fields=["moved_at"], name="case_unfinished", condition=~models.Q(status=Status.COMPLETED)),
        ]

    def __str__(self) -> str:
        return f"{self.content_id} ({self.status})"

    @property
    def thread_id(self) -> str:
        """The name of this case's thread in the agent's checkpoints."""
        return str(self.id)


class Report(Salted):
    """Somebody's complaint about the content; a case keeps one of each reporter."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reports")
    reporter_id = models.CharField(max_length=200)
    reason = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["case", "reporter_id"], name="one_report_per_reporter")]

    def __str__(self) -> str:
        return f"{self.reporter_id} on {self.case_id}"
