"""The moves of a case as data, and move(), the only writer of its status.

    PENDING_ANALYSIS --pause-->  PENDING_REVIEW --decide--> ENFORCING --settle--> COMPLETED
    PENDING_ANALYSIS --clear-->  COMPLETED      PENDING_REVIEW <--undo-- ENFORCING
    COMPLETED or ENFORCING --roll_back--> ROLLING_BACK --reopen--> PENDING_REVIEW (round + 1)
    any --withdraw--> COMPLETED (outcome withdrawn)

An appeal goes from submitted to under_review to its answer; it may be closed, inadmissible or withdrawn, on the way.

Claimed is a pair of columns, overdue a timestamp, stalled delivery a query: none of them is a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.models import Appeal, Case, Event
from moderation.models.facts import tell
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


CODES = frozenset({Actor.system().label, Actor.agent().label, Actor.operator().label})
"""Who does something and is nobody."""


def check(case: Case, how: Move) -> Status:
    """The state `how` leads to from here. Raises IllegalMove when there is no such move."""
    step = MOVES[how]
    if case.status not in step.sources:
        raise IllegalMove(
            f"This case is {Status(case.status).value}: `{how.value}` is not possible now. Nothing was changed."
        )
    return step.target


def line(
    case: Case | None,
    what: str,
    *,
    by: Actor,
    data: dict[str, Any],
    tells: Mapping[str, str] | None = None,
    about: int | None = None,
) -> Event:
    """One line of the history, not yet written: ids and codes, never a word or a name. The names `by` may carry are a
    row's to keep: a decision's, a rollback's, an appeal's. `about`: the client, where it is about no case."""
    itself = by.user is None and by.client is None
    return Event(
        case=case,
        client_id=case.client_id if case is not None else about,
        type=what,
        actor=by.label if itself and by.label in CODES else "",
        door=by.door,
        user_id=by.user,
        data=data,
        digests=dict(tells) if tells else None,
    )


def move(
    case: Case,
    how: Move,
    *,
    by: Actor,
    data: dict[str, Any] | None = None,
    tells: Mapping[str, str] | None = None,
    **changes: Any,
) -> None:
    """Move `case` and write its event, in the caller's transaction. The only writer of `Case.status`.

    `by`: who did it. `data`: what else the event tells, in ids and codes. `tells`: the digests of the rows it tells of
    (models.facts); the case's own standing is added here. `changes`: columns that change with the move (round, ...).
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
        if hasattr(value, "resolve_expression"):
            delattr(case, name)  # the database has worked it out: read again when somebody asks
    said = {"from": source, "to": target.value, "round": case.round, **(data or {})}
    tells = {**(tells or {}), **tell("case_state", case)}
    line(case, MOVES[how].event, by=by, data=said, tells=tells).save(force_insert=True)


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
    said = {"appeal_id": str(appeal.pk), "status": to.value}
    if appeal.answered_by_id is not None:
        said["answer_id"] = str(appeal.answered_by_id)
    line(case, "appeal.decided", by=by, data=said, tells=tell("appeal_state", appeal)).save(force_insert=True)


def take_up_appeals(case: Case) -> None:
    """The second review has begun: what waited for it is under review now."""
    waited = case.appeals.filter(status__in=APPEAL_MOVES[AppealStatus.UNDER_REVIEW])
    waited.update(status=AppealStatus.UNDER_REVIEW)
