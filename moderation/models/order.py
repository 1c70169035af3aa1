"""Enforcement: subjects, the orders about them, and every try to deliver one."""

from __future__ import annotations

from typing import Any, Self, cast

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.db.models.sql import UpdateQuery

from moderation.models.actions import SubjectKind
from moderation.models.case import Case
from moderation.models.client import Client
from moderation.models.judgement import Decision
from moderation.models.salted import Salted
from moderation.models.work import OUT, Work
from moderation.states import HOLDS_NOTHING, IN_LINE, Direction, OrderStatus

GIVEN_UP = {
    "unfetched": "The client did not confirm it within 72 hours.",
    "deactivated": "Its client was deactivated.",
}
"""What an order that nobody will carry out any more has failed of, by the code its event holds."""


class Subject(models.Model):
    """Something orders act on. Its lock serialises planning across cases; it hands out the sequence numbers."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=SubjectKind.choices)
    external_id = models.CharField(max_length=200)
    last_sequence = models.PositiveBigIntegerField(default=0)

    IN_ORDER = ("client_id", "kind", "external_id")
    """Locked in this order, everywhere."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "kind", "external_id"], name="one_row_per_subject")]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"


class Orders(models.QuerySet["Order"]):
    """What is asked of orders, each rule once. (The relay says the first one again, in its SQL; a test compares.)"""

    def with_line(self) -> Self:
        """Each with `waits_for_case` and `waits_for_subject`: does an order come before it there?"""
        before = Order.objects.filter(status__in=IN_LINE).order_by()
        return self.annotate(
            waits_for_case=Exists(before.filter(case_id=OuterRef("case_id"), place__lt=OuterRef("place"))),
            waits_for_subject=Exists(
                before.filter(subject_id=OuterRef("subject_id"), sequence__lt=OuterRef("sequence"))
            ),
        )

    def heads(self) -> Self:
        """Those that are next: nothing before them in their case, nothing before them on their subject."""
        return self.with_line().filter(status__in=IN_LINE, waits_for_case=False, waits_for_subject=False)

    def free(self) -> Self:
        """Those nobody is at."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lte=Now()))

    def holding(self) -> Self:
        """Those whose decision wants (subject, action) now: not released, not refused, not run out, no copies."""
        return (
            self.filter(direction=Direction.APPLY, released_at=None, resends=None)
            .exclude(status__in=HOLDS_NOTHING)
            .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        )

    def about(self, subject_id: int, effect: str) -> Self:
        """All that was ever ordered about an effect (named by its applying action) on a subject."""
        return self.filter(Q(action=effect) | Q(undoes__action=effect), subject_id=subject_id)

    def become(self, **changes: Any) -> list[Order]:
        """UPDATE, and the rows it has changed as they are now: of these, and of no others, the history must tell."""
        query = cast(UpdateQuery, self.query.chain(UpdateQuery))
        query.add_update_values(changes)
        try:
            sql, params = query.get_compiler(self.db).as_sql()
        except EmptyResultSet:
            return []
        return list(Order.objects.raw(f"{sql} RETURNING *", params))

    def unfetched(self) -> Self:
        """Those that are next and that a client without a webhook has not been seen to ask for."""
        return self.heads().filter(client__webhook_url="", client__is_active=True, listed_at=None, due_at__lte=Now())


class Order(Salted, Work):
    """One enforcement action to be applied to, or reversed on, the client's platform.

    `place`: its turn among the case's orders. `sequence`: its turn among the subject's. `released_at` (applying
    orders): since then the decision no longer wants it; null means the decision holds (subject, action).
    `undoes` (reversing orders): the applying order it takes back; at most one reversal of it is in line. `names`: the
    applying order the client is told about: the one that was really applied should several cases have wanted it.
    `resends`: the other decision's order that counts again now that a longer suspension has gone; such an order stands
    in the line of the case whose release made it necessary. `result`: the client's own word. `listed_at`: a client
    that fetches its orders itself first saw it then. `waits_for_*`: no columns; see Orders.with_line.
    """

    waits_for_case: bool
    waits_for_subject: bool

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="orders")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="orders")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="orders")
    direction = models.CharField(max_length=10, choices=Direction.choices)
    action = models.CharField(max_length=40)
    params = models.JSONField(default=dict, blank=True)
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversals")
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
    listed_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    objects = Orders.as_manager()

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
                fields=["undoes"],
                condition=models.Q(status__in=sorted(IN_LINE)),
                name="one_reversal_in_line",
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

    @property
    def effect(self) -> str:
        """The applying action this is about: an action and its reversal are one effect. Fetch `undoes` with it."""
        return self.undoes.action if self.undoes is not None else self.action


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
