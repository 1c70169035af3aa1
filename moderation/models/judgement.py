"""What was thought and what was ruled: assessments by the agent, decisions by humans."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Now
from uuid_utils.compat import uuid7

from agents.folding import fold_name
from moderation.models.case import Case
from moderation.models.policy import PolicyVersion
from moderation.models.salted import Salted
from moderation.states import RULINGS, Door


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


class Person(NamedTuple):
    """Somebody as four eyes compare: `account`, the user's id, 0 for a person whom a client names; `name`, folded."""

    account: int
    name: str

    @classmethod
    def called(cls, name: str, account: int | None = None) -> Person:
        return cls(account or 0, fold_name(name))


class DecisionQuerySet(models.QuerySet["Decision"]):
    def standing(self) -> DecisionQuerySet:
        """Those that nobody has undone."""
        return self.filter(withdrawn_at=None)

    def under_review(self, case: Any, round: Any) -> DecisionQuerySet:
        """First the decision that a case's present round reviews: the newest that stands from the rounds before it."""
        return self.standing().filter(case=case, round__lt=round).order_by("-round")


def made_by(person: Person, decision: str = "") -> models.Q:
    """For querysets: `person` made this decision. `decision`: the path to it, as "decision__"."""
    own = models.Q(**{f"{decision}decider": person.name})
    return own | models.Q(**{f"{decision}user": person.account}) if person.account else own


def barred(person: Person) -> Coalesce:
    """For querysets of cases: whether `person` made the decision under review, so that it is not theirs to decide."""
    own = made_by(person)
    reviewed = Decision.objects.under_review(models.OuterRef("pk"), models.OuterRef("round"))
    made = reviewed.annotate(own=models.ExpressionWrapper(own, models.BooleanField())).values("own")[:1]
    return Coalesce(models.Subquery(made), models.Value(value=False))


class Decision(Salted):
    """What a human ruled, once per (case, round); never edited, only superseded or, inside its undo window, withdrawn.

    `actions`: [{"action": name, "params": {...}}, ...] in the order they are carried out. `decider`: `decided_by`
    folded (agents.folding), `account`: the user's id or 0: the two by which people are compared. `earlier`: the
    decision this one reviews; a composite foreign key to (id, decider, account) and a CHECK (migration 0005) keep the
    two people different, whatever the door. `same_person`: an upgrade found, when it folded names anew, that one
    person had made both; nothing else says so.
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
    account = models.GeneratedField(
        expression=Coalesce("user_id", 0), output_field=models.BigIntegerField(), db_persist=True
    )
    via = models.CharField(max_length=10, choices=Door.choices)
    earlier = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    earlier_decider = models.CharField(max_length=800, blank=True, null=True)
    earlier_account = models.BigIntegerField(blank=True, null=True)
    same_person = models.BooleanField(default=False, db_default=False)
    decided_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "round"],
                condition=models.Q(withdrawn_at=None),
                name="one_decision_per_round",
            ),
            models.CheckConstraint(condition=models.Q(outcome__in=sorted(RULINGS)), name="decision_is_a_ruling"),
            models.CheckConstraint(
                condition=models.Q(earlier=None, earlier_decider=None, earlier_account=None)
                | models.Q(earlier__isnull=False, earlier_decider__isnull=False, earlier_account__isnull=False),
                name="earlier_decider_is_named",
            ),
            models.CheckConstraint(
                condition=models.Q(earlier=None)
                | models.Q(same_person=True)
                | (
                    ~models.Q(earlier_decider=models.F("decider"))
                    & (models.Q(account=0) | ~models.Q(earlier_account=models.F("account")))
                ),
                name="second_decider_differs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} by {self.decided_by}"

    def made_by(self, person: Person) -> bool:
        return self.decider == person.name or bool(person.account and self.user_id == person.account)
