"""Enforcement: subjects, the orders about them, and every try to deliver one."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from moderation.models.actions import SubjectKind
from moderation.models.case import Case
from moderation.models.client import Client
from moderation.models.judgement import Decision
from moderation.models.work import OUT, Work
from moderation.states import IN_LINE, Direction, OrderStatus


class Subject(models.Model):
    """Something orders act on. Its lock serialises planning across cases; it hands out the sequence numbers."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=SubjectKind.choices)
    external_id = models.CharField(max_length=200)
    last_sequence = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "kind", "external_id"], name="one_row_per_subject")]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"


class Order(Work):
    """One enforcement action to be applied to, or reversed on, the client's platform.

    `place`: its turn among the case's orders. `sequence`: its turn among the subject's. `released_at` (applying
    orders): since then the decision no longer wants it; null means the decision holds (subject, action).
    `undoes` (reversing orders): the applying order it takes back; at most one reversal each. `names`: the applying
    order the client is told about, which is the one that was really applied should several cases have wanted it.
    `resends`: the other decision's order that counts again now that a longer suspension has gone; such an order stands
    in the line of the case whose release made it necessary. `result`: the client's own word.
    """

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="orders")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="orders")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="orders")
    direction = models.CharField(max_length=10, choices=Direction.choices)
    action = models.CharField(max_length=40)
    params = models.JSONField(default=dict, blank=True)
    undoes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversal")
    names = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    resends = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    place = models.PositiveIntegerField()
    sequence = models.PositiveBigIntegerField()
    status = models.CharField(max_length=15, choices=OrderStatus.choices, default=OrderStatus.PLANNED)
    result = models.CharField(max_length=15, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    applied_at = models.DateTimeField(null=True, blank=True)
    reversed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=OrderStatus.values), name="order_known_status"),
            models.CheckConstraint(
                condition=models.Q(direction=Direction.APPLY, undoes=None)
                | models.Q(direction=Direction.REVERSE, undoes__isnull=False, names__isnull=False),
                name="reversal_undoes_something",
            ),
            models.UniqueConstraint(
                fields=["subject", "sequence"],
                condition=models.Q(status__in=sorted(IN_LINE)),
                name="one_order_per_turn",
            ),
            models.UniqueConstraint(
                fields=["decision", "subject", "action"],
                condition=models.Q(direction=Direction.APPLY, resends=None),
                name="one_apply_per_decision",
            ),
        ]
        indexes = [
            models.Index(
                fields=["client", "priority", "due_at", "id"],
                name="order_due",
                condition=models.Q(status__in=sorted(IN_LINE)),
            ),
            models.Index(
                fields=["client"],
                name="order_out",
                condition=models.Q(status__in=sorted(IN_LINE)) & OUT,
            ),
            models.Index(
                fields=["subject", "sequence"],
                name="order_subject_line",
                condition=models.Q(status__in=sorted(IN_LINE)),
            ),
            models.Index(
                fields=["subject", "action"],
                name="order_held",
                condition=models.Q(direction=Direction.APPLY, released_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} ({self.status})"


class Attempt(models.Model):
    """One try to deliver an order or a notice: the delivery log."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, null=True, blank=True, related_name="tries")
    notice = models.ForeignKey(
        "moderation.Notice", on_delete=models.CASCADE, null=True, blank=True, related_name="tries"
    )
    at = models.DateTimeField(db_default=Now())
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    result = models.CharField(max_length=15, blank=True, default="")
    error = models.TextField(blank=True, default="")
    milliseconds = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.http_status or self.error}"
