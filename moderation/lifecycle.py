"""The moves of a case as data, and move(), the only writer of its status.

    PENDING_ANALYSIS --pause-->  PENDING_REVIEW --decide--> ENFORCING --settle--> COMPLETED
    PENDING_ANALYSIS --clear-->  COMPLETED      PENDING_REVIEW <--undo-- ENFORCING
    COMPLETED or ENFORCING --roll_back--> ROLLING_BACK --reopen--> PENDING_REVIEW (round + 1)
    any --withdraw--> COMPLETED (outcome withdrawn)

Claimed is a pair of columns, overdue a timestamp, stalled delivery a query: none of them is a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.models import Case, Event
from moderation.models.facts import tell
from moderation.rights import Actor
from moderation.states import Move, Status


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
