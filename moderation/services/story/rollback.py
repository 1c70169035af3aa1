"""Chapter 3: a case is taken back and opened for a second, different pair of eyes."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction

from moderation.errors import IllegalMove
from moderation.lifecycle import check, move
from moderation.models import Case, Run
from moderation.models.facts import tell
from moderation.rights import Actor, Verb
from moderation.selectors.access import expect, opened
from moderation.services.agent import runs
from moderation.services.orders import closing
from moderation.states import Move, RunKind, Status


@transaction.atomic
def roll_back(
    case_id: uuid.UUID,
    *,
    by: Actor,
    reason: str,
    keep_in_force: bool = False,
    version: Collection[int] | None = None,
) -> Run:
    """Reverse what the decision in force did, last first, and reopen the case.

    `keep_in_force`: reopen without reversing; the next decision then takes over or releases what stands.
    Raises IllegalMove unless the case is completed, or enforcing with its orders already given.
    """
    case = opened(case_id, Verb.ROLL_BACK, by=by)
    check(case, Move.ROLL_BACK)
    expect(case, version)
    return take_back(case, by, reason, keep_in_force=keep_in_force)


def take_back(case: Case, by: Actor, reason: str, *, keep_in_force: bool) -> Run:
    """The same for a case that is locked already."""
    check(case, Move.ROLL_BACK)
    if case.status == Status.ENFORCING and not orders_are_given(case):
        raise IllegalMove("The decision is only just being carried out. Try again in a moment.")
    run = runs.queue(case, RunKind.ROLLBACK, requested_by=by.name, reason=reason, keep_in_force=keep_in_force)
    move(
        case,
        Move.ROLL_BACK,
        by=by,
        outcome="",
        data={"run_id": str(run.pk), "keep_in_force": keep_in_force},
        tells=tell("rollback", run),
        **({} if keep_in_force else {"decision": None}),
    )
    return run


def orders_are_given(case: Case) -> bool:
    """Has the agent carried the decision of this round out?"""
    return closing.leg_is_done(case, RunKind.RESUME)
