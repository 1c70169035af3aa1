"""The states of everything, and the one function that changes a case's.

    PENDING_ANALYSIS --pause-->  PENDING_REVIEW --decide--> ENFORCING --settle--> COMPLETED
    PENDING_ANALYSIS --clear-->  COMPLETED      PENDING_REVIEW <--undo-- ENFORCING
    COMPLETED or ENFORCING --roll_back--> ROLLING_BACK --reopen--> PENDING_REVIEW (round + 1)
    any --withdraw--> COMPLETED (outcome withdrawn)

Claimed is a pair of columns, overdue a timestamp, stalled delivery a query: none of them is a state.
The enumerations stand here, below the models, because the models' constraints are made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F, IntegerChoices, TextChoices
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from moderation.errors import IllegalMove

if TYPE_CHECKING:
    from moderation.models import Case


class Status(TextChoices):
    """Where a case stands."""

    PENDING_ANALYSIS = "pending_analysis", _("Being analysed")
    PENDING_REVIEW = "pending_review", _("Waiting for review")
    ENFORCING = "enforcing", _("Being enforced")
    COMPLETED = "completed", _("Completed")
    ROLLING_BACK = "rolling_back", _("Being rolled back")


class Outcome(TextChoices):
    """How a completed case ended, and (the middle two) what a human can rule."""

    CLEARED = "cleared", _("Cleared by the agent")
    NO_VIOLATION = "no_violation", _("No violation")
    VIOLATION = "violation", _("Violation")
    WITHDRAWN = "withdrawn", _("Withdrawn")


RULINGS = frozenset({Outcome.NO_VIOLATION, Outcome.VIOLATION})


class Move(TextChoices):
    """What can happen to a case. The label is the type of the event it writes."""

    PAUSE = "pause", "case.review_requested"
    CLEAR = "clear", "case.cleared"
    DECIDE = "decide", "case.decided"
    UNDO = "undo", "case.decision_undone"
    SETTLE = "settle", "case.completed"
    ROLL_BACK = "roll_back", "case.rollback_requested"
    REOPEN = "reopen", "case.reopened"
    WITHDRAW = "withdraw", "case.withdrawn"


MOVES: dict[tuple[Status, Move], Status] = {
    (Status.PENDING_ANALYSIS, Move.PAUSE): Status.PENDING_REVIEW,
    (Status.PENDING_ANALYSIS, Move.CLEAR): Status.COMPLETED,
    (Status.PENDING_REVIEW, Move.DECIDE): Status.ENFORCING,
    (Status.ENFORCING, Move.UNDO): Status.PENDING_REVIEW,
    (Status.ENFORCING, Move.SETTLE): Status.COMPLETED,
    (Status.COMPLETED, Move.ROLL_BACK): Status.ROLLING_BACK,
    (Status.ENFORCING, Move.ROLL_BACK): Status.ROLLING_BACK,
    (Status.ROLLING_BACK, Move.REOPEN): Status.PENDING_REVIEW,
    (Status.PENDING_ANALYSIS, Move.WITHDRAW): Status.COMPLETED,
    (Status.PENDING_REVIEW, Move.WITHDRAW): Status.COMPLETED,
    (Status.ENFORCING, Move.WITHDRAW): Status.COMPLETED,
    (Status.ROLLING_BACK, Move.WITHDRAW): Status.COMPLETED,
    (Status.COMPLETED, Move.WITHDRAW): Status.COMPLETED,
}


class Priority(IntegerChoices):
    """How urgent a case is; the highest goes first."""

    LOW = 0, _("Low")
    NORMAL = 1, _("Normal")
    HIGH = 2, _("High")
    URGENT = 3, _("Urgent")


class RunKind(TextChoices):
    """One leg of the agent's work."""

    START = "start", _("Analysis")
    RESUME = "resume", _("Enforcement")
    ROLLBACK = "rollback", _("Rollback")


class Direction(TextChoices):
    """What an order asks of the client's platform."""

    APPLY = "apply", _("Apply")
    REVERSE = "reverse", _("Reverse")


class OrderStatus(TextChoices):
    """Where an order stands. `reversing` and `reversed` are said of the applying order whose reversal is under way."""

    PLANNED = "planned", _("Planned")
    DELIVERING = "delivering", _("Being delivered")
    APPLIED = "applied", _("Applied")
    ALREADY = "already", _("Was so already")
    REFUSED = "refused", _("Refused by the platform")
    FAILED = "failed", _("Delivery failed")
    CANCELLED = "cancelled", _("Cancelled before delivery")
    RETAINED = "retained", _("Kept for another decision")
    REVERSING = "reversing", _("Being reversed")
    REVERSED = "reversed", _("Reversed")
    IRREVERSIBLE = "irreversible", _("Cannot be reversed")
    EXPIRED = "expired", _("Expired")


IN_LINE = frozenset({OrderStatus.PLANNED, OrderStatus.DELIVERING})
"""Orders that still have to be delivered: they hold their place in the line."""

CONFIRMED = frozenset({OrderStatus.APPLIED, OrderStatus.ALREADY})

TERMINAL = frozenset(OrderStatus) - IN_LINE - {OrderStatus.REVERSING}
"""A case settles, or is reopened, when all its orders are here."""


class AppealStatus(TextChoices):
    """Where an appeal stands."""

    SUBMITTED = "submitted", _("Submitted")
    UNDER_REVIEW = "under_review", _("Under review")
    GRANTED = "granted", _("Granted")
    PARTLY_GRANTED = "partly_granted", _("Partly granted")
    DENIED = "denied", _("Denied")
    INADMISSIBLE = "inadmissible", _("Inadmissible")
    WITHDRAWN = "withdrawn", _("Withdrawn")


OPEN_APPEALS = frozenset({AppealStatus.SUBMITTED, AppealStatus.UNDER_REVIEW})


def check(case: Case, by: Move) -> Status:
    """The state `by` leads to from here. Raises IllegalMove when there is no such move."""
    target = MOVES.get((Status(case.status), by))
    if target is None:
        raise IllegalMove(
            f"This case is {Status(case.status).value}: `{by.value}` is not possible now. Nothing was changed."
        )
    return target


def move(case: Case, by: Move, *, actor: str, data: dict[str, Any] | None = None, **changes: Any) -> None:
    """Move `case` and write its event, in the caller's transaction. The only writer of `Case.status`.

    `actor`: who did it, as shown in the history. `data`: what else the event tells. `changes`: columns that change
    with the move (round, outcome, decision, ...).
    Raises IllegalMove when the table has no such move, or when the row is no longer in the state that was read.
    """
    source, target = case.status, check(case, by)
    # Compare-and-set: callers hold the row's lock, but a caller that forgot to must lose here and not act twice.
    moved = (
        type(case)
        .objects.filter(pk=case.pk, status=source)
        .update(status=target, version=F("version") + 1, updated_at=Now(), moved_at=Now(), **changes)
    )
    if moved != 1:
        raise IllegalMove("This case was changed by somebody else in this moment. Nothing was changed; look again.")
    case.status, case.version = target, case.version + 1
    for name, value in changes.items():
        setattr(case, name, value)
    case.events.create(
        type=by.label,
        client_id=case.client_id,
        actor=actor,
        data={"from": source, "to": target.value, "round": case.round, **(data or {})},
    )
