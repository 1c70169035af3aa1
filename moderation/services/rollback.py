"""Chapter 3: a case is taken back and opened for a second, different pair of eyes."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.lifecycle import TERMINAL, Move, RunKind, Status, check, move
from moderation.models import Case, Order, Run
from moderation.selectors.access import locked_case
from moderation.services import enforcement, runs


@transaction.atomic
def roll_back(case: Case, *, reason: str, requested_by: str, keep_in_force: bool = False) -> Run:
    """Reverse what the decision in force did, last first, and reopen the case. `case` was fetched locked.

    `keep_in_force`: reopen without reversing; the next decision then takes over or releases what stands.
    Raises IllegalMove unless the case is completed, or enforcing with its orders already given.
    """
    check(case, Move.ROLL_BACK)
    if case.status == Status.ENFORCING and not orders_are_given(case):
        raise IllegalMove("The decision is only just being carried out. Try again in a moment.")
    run = runs.queue(case, RunKind.ROLLBACK, requested_by=requested_by, reason=reason, keep_in_force=keep_in_force)
    move(
        case,
        Move.ROLL_BACK,
        actor=requested_by,
        outcome="",
        data={"reason": reason, "keep_in_force": keep_in_force},
        **({} if keep_in_force else {"decision": None}),
    )
    return run


def orders_are_given(case: Case) -> bool:
    """Has the agent carried the decision of this round out?"""
    return enforcement.leg_is_done(case, RunKind.RESUME)


def reopen_overdue() -> int:
    """Reopen cases whose reversals have kept a person waiting too long. Safe to run twice; answers how many."""
    late = Case.objects.filter(status=Status.ROLLING_BACK, moved_at__lte=Now() - enforcement.REOPEN_AFTER).values_list(
        "pk", flat=True
    )
    count = 0
    for pk in list(late):
        with transaction.atomic():
            case = locked_case(pk)
            if case.status == Status.ROLLING_BACK:
                enforcement.settle_or_reopen(case, overdue=True)
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
            case = locked_case(pk)
            before = case.status
            enforcement.settle_or_reopen(case)
            count += case.status != before
    return count
