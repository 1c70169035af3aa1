"""An author's or reporter's objection to a decision."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from moderation.models.case import Case
from moderation.models.client import Client
from moderation.models.judgement import Decision
from moderation.models.salted import Salted
from moderation.states import OPEN_APPEALS, AppealStatus


class Side(models.TextChoices):
    """Whose appeal it is."""

    AUTHOR = "author"
    REPORTER = "reporter"


class AppealQuerySet(models.QuerySet["Appeal"]):
    def open(self) -> AppealQuerySet:
        """Those that wait for their answer."""
        return self.filter(status__in=OPEN_APPEALS)


class Appeal(Salted):
    """Against `decision`, or against the agent's clearing where that is null. `answered_by`: the decision whose
    reason is the written answer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="appeals")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")  # the case's: its list is indexed
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="appeals")
    round = models.PositiveIntegerField()
    appellant_id = models.CharField(max_length=200)
    side = models.CharField(max_length=10, choices=Side.choices)
    statement = models.TextField()
    language = models.CharField(max_length=35, blank=True, default="")
    status = models.CharField(max_length=15, choices=AppealStatus.choices, default=AppealStatus.SUBMITTED)
    answered_by = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="answers")
    answer = models.TextField(blank=True, default="")
    token = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = AppealQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=AppealStatus.values), name="appeal_known_status"),
            models.UniqueConstraint(fields=["case", "round", "appellant_id"], name="one_appeal_per_party_and_round"),
        ]
        indexes = [models.Index(fields=["client", "-created_at", "-id"], name="appeal_by_client")]

    def __str__(self) -> str:
        return f"{self.side} {self.appellant_id} ({self.status})"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_APPEALS
