"""What ends a case after its orders: once each has reached its end, an enforcement settles and a rollback reopens."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from moderation.lifecycle import move, take_up_appeals
from moderation.models import Case, Order, Run
from moderation.models.case import REVIEW_HOURS
from moderation.selectors.access import locked
from moderation.services.orders.announcements import announce_case, announce_completed
from moderation.services.record.history import SYSTEM
from moderation.states import TERMINAL, Move, RunKind, Status

REOPEN_AFTER = timedelta(minutes=10)
"""A dead endpoint never keeps a person from a second review for longer."""


def leg_is_done(case: Case, kind: RunKind) -> bool:
    """Has the agent carried out its leg of this kind for the case's present round?"""
    return case.runs.filter(kind=kind, round=case.round, done_at__isnull=False, cancelled_at=None).exists()


def settle_or_reopen(case: Case, *, overdue: bool = False) -> None:
    """End an enforcement, or reopen after a rollback, once the leg is done and every order has reached its end.

    `overdue`: reopen although reversals are still open; they go on being delivered.
    """
    kind = {Status.ENFORCING.value: RunKind.RESUME, Status.ROLLING_BACK.value: RunKind.ROLLBACK}.get(case.status)
    if kind is None:
        return
    if not leg_is_done(case, kind):
        return
    if not overdue and case.orders.exclude(status__in=TERMINAL).exists():
        return
    if kind is RunKind.RESUME:
        if case.decision is None:
            raise ValueError(f"case {case.pk} is being enforced without a decision")
        move(case, Move.SETTLE, by=SYSTEM, outcome=case.decision.outcome)
        announce_completed(case)
    else:
        due = Now() + timedelta(hours=REVIEW_HOURS[case.priority])
        move(case, Move.REOPEN, by=SYSTEM, round=case.round + 1, due_at=due, data={"overdue": overdue})
        take_up_appeals(case)
        announce_case(case, "case.reopened")


def reopen_overdue() -> int:
    """Reopen cases whose reversals have kept a person waiting too long. Safe to run twice; answers how many."""
    late = Case.objects.filter(status=Status.ROLLING_BACK, moved_at__lte=Now() - REOPEN_AFTER).values_list(
        "pk", flat=True
    )
    count = 0
    for pk in list(late):
        with transaction.atomic():
            case = locked(pk)
            if case.status == Status.ROLLING_BACK:
                settle_or_reopen(case, overdue=True)
                count += case.status == Status.PENDING_REVIEW
    return count


def settle_overlooked() -> int:
    """End what waits for nothing any more: the last order of a case may be cancelled by another case, which must not
    lock this one (a suspension to be sent again, whose own case lets go of it first). Safe to run twice."""
    still_open = Order.objects.filter(case=OuterRef("pk")).exclude(status__in=TERMINAL)
    still_to_run = Run.objects.filter(case=OuterRef("pk"), done_at=None, cancelled_at=None)
    overlooked = Case.objects.filter(status__in=[Status.ENFORCING, Status.ROLLING_BACK]).exclude(
        Exists(still_open) | Exists(still_to_run)
    )
    count = 0
    for pk in list(overlooked.values_list("pk", flat=True)):
        with transaction.atomic():
            case = locked(pk)
            before = case.status
            settle_or_reopen(case)
            count += case.status != before
    return count
