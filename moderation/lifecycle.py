"""The moves of a case as data, and move(), the only writer of its status.

    PENDING_ANALYSIS --pause-->  PENDING_REVIEW --decide--> ENFORCING --settle--> COMPLETED
    PENDING_ANALYSIS --clear-->  COMPLETED      PENDING_REVIEW <--undo-- ENFORCING
    COMPLETED or ENFORCING --roll_back--> ROLLING_BACK --reopen--> PENDING_REVIEW (round + 1)
    any --withdraw--> COMPLETED (outcome withdrawn)

An appeal goes from submitted to under_review to its answer; it may be closed, inadmissible or withdrawn, on the way.

Claimed is a pair of columns, overdue a timestamp, stalled delivery a query: none of them is a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.models import Appeal, Case, Event
from moderation.rights import Actor
from moderation.states import OPEN_APPEALS, AppealStatus, Move, Status


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table: from which states, to which, and the type of the event it writes."""

    sources: frozenset[Status]
    target: Status
    event: str


MOVES: dict[Move, Step] = {
    Move.PAUSE: Step(frozenset({Status.PENDING_ANALYSIS}), Status.PENDING_REVIEW, "case.review_requested"),
    Move.CLEAR: Step(frozenset({Status.PENDING_ANALYSIS}), Status.COMPLETED, "case.cleared"),
    Move.DECIDE: Step(frozenset({Status.PENDING_REVIEW}), Status.ENFORCING, "case.decided"),
    Move.UNDO: Step(frozenset({Status.ENFORCING}), Status.PENDING_REVIEW, "case.decision_undone"),
    Move.SETTLE: Step(frozenset({Status.ENFORCING}), Status.COMPLETED, "case.completed"),
    Move.ROLL_BACK: Step(
        frozenset({Status.COMPLETED, Status.ENFORCING}), Status.ROLLING_BACK, "case.rollback_requested"
    ),
    Move.REOPEN: Step(frozenset({Status.ROLLING_BACK}), Status.PENDING_REVIEW, "case.reopened"),
    Move.WITHDRAW: Step(frozenset(Status), Status.COMPLETED, "case.withdrawn"),
}


def check(case: Case, how: Move) -> Status:
    """The state `how` leads to from here. Raises IllegalMove when there is no such move."""
    step = MOVES[how]
    if case.status not in step.sources:
        raise IllegalMove(
            f"This case is {Status(case.status).value}: `{how.value}` is not possible now. Nothing was changed."
        )
    return step.target


def move(case: Case, how: Move, *, by: Actor, data: dict[str, Any] | None = None, **changes: Any) -> None:
    """Move `case` and write its event, in the caller's transaction. The only writer of `Case.status`.

    `by`: who did it. `data`: what else the event tells. `changes`: columns that change
    with the move (round, outcome, decision, ...).
    Raises IllegalMove when the table has no such move, or when the row is no longer in the state that was read.
    """
    source, target = case.status, check(case, how)
    # Compare-and-set: callers hold the row's lock, but a caller that forgot to must lose here and not act twice.
    moved = Case.objects.filter(pk=case.pk, status=source).update(
        status=target, version=F("version") + 1, updated_at=Now(), moved_at=Now(), **changes
    )
    if moved != 1:
        raise IllegalMove("This case was changed by somebody else in this moment. Nothing was changed; look again.")
    case.status, case.version = target, case.version + 1
    for name, value in changes.items():
        setattr(case, name, value)
    told = {"from": source, "to": target.value, "round": case.round, **(data or {})}
    _tell(case, MOVES[how].event, by, told)


# --- appeals -----------------------------------------------------------------------------------------------------

APPEAL_MOVES: dict[AppealStatus, frozenset[AppealStatus]] = {
    AppealStatus.UNDER_REVIEW: frozenset({AppealStatus.SUBMITTED}),
    **{end: OPEN_APPEALS for end in AppealStatus if end not in OPEN_APPEALS},
}
"""From which states each one can be reached. An appeal that was not yet taken up is answered all the same: the leg that
answers it must never fail for it."""


def move_appeal(case: Case, appeal: Appeal, to: AppealStatus, *, by: Actor, **changes: Any) -> None:
    """End `appeal`, of `case`, with `to`, and write the event, in the caller's transaction. `changes`: columns that
    change with it. Raises IllegalMove, by compare-and-set, when it was closed before."""
    moved = Appeal.objects.filter(pk=appeal.pk, status__in=APPEAL_MOVES[to]).update(
        status=to, closed_at=Now(), **changes
    )
    if moved != 1:
        raise IllegalMove("This appeal is closed already.")
    appeal.status = to
    for name, value in changes.items():
        setattr(appeal, name, value)
    _tell(case, "appeal.decided", by, {"appeal_id": str(appeal.pk), "status": to.value})


def take_up_appeals(case: Case) -> None:
    """The second review has begun: what waited for it is under review now."""
    waited = case.appeals.filter(status__in=APPEAL_MOVES[AppealStatus.UNDER_REVIEW])
    waited.update(status=AppealStatus.UNDER_REVIEW)


def _tell(case: Case, what: str, by: Actor, data: dict[str, Any]) -> None:
    Event.objects.create(case=case, client_id=case.client_id, type=what, actor=by.label, data=data)
