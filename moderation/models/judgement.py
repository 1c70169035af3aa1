"""What was thought and what was ruled: assessments by the agent, decisions by humans."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from moderation.models.case import Case
from moderation.models.policy import PolicyVersion
from moderation.models.salted import Salted
from moderation.states import RULINGS


class Assessment(Salted):
    """What the agent thinks, once per (case, round). JSON columns have the shapes of agents.contract.Assessment;
    each finding in `findings` also carries the pinned policy version's id."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="assessments")
    round = models.PositiveIntegerField()
    route = models.CharField(max_length=10)
    violation = models.BooleanField()
    confidence = models.FloatField()
    severity = models.CharField(max_length=10, blank=True, default="")
    summary = models.TextField()
    findings = models.JSONField(default=list)
    recommended_actions = models.JSONField(default=list)
    doubts = models.JSONField(default=list)
    flags = models.JSONField(default=list)
    analyst = models.CharField(max_length=40)
    model = models.CharField(max_length=100, blank=True, default="")
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.FloatField(default=0)
    seconds = models.FloatField(default=0)
    trace_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "round"], name="one_assessment_per_round")]

    def __str__(self) -> str:
        return f"{self.analyst} on {self.case_id}, round {self.round}"


class Via(models.TextChoices):
    """The door a decision came through."""

    CONSOLE = "console"
    API = "api"


class Decision(Salted):
    """What a human ruled, once per (case, round); never edited, only superseded or, inside its undo window, withdrawn.

    `actions`: [{"action": name, "params": {...}}, ...] in the order they are carried out. `decider`: `decided_by`
    after NFKC, trimming and casefolding. `earlier`: the decision this one reviews; a composite foreign key to
    (id, decider) and a CHECK (migration 0002) keep the two deciders different, whatever the door.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    round = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20)
    actions = models.JSONField(default=list)
    policies = models.ManyToManyField(PolicyVersion, related_name="+", blank=True)
    reason = models.TextField(blank=True, default="")
    note = models.TextField(blank=True, default="")
    decided_by = models.CharField(max_length=200)
    decider = models.CharField(max_length=800)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    via = models.CharField(max_length=10, choices=Via.choices)
    earlier = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    earlier_decider = models.CharField(max_length=800, blank=True, null=True)
    decided_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "round"],
                condition=models.Q(withdrawn_at=None),
                name="one_decision_per_round",
            ),
            models.CheckConstraint(condition=models.Q(outcome__in=sorted(RULINGS)), name="decision_is_a_ruling"),
            models.CheckConstraint(
                condition=models.Q(earlier=None, earlier_decider=None)
                | models.Q(earlier__isnull=False, earlier_decider__isnull=False),
                name="earlier_decider_is_named",
            ),
            models.CheckConstraint(
                condition=models.Q(earlier_decider=None) | ~models.Q(earlier_decider=models.F("decider")),
                name="second_decider_differs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} by {self.decided_by}"
