"""The content is gone on the client's side: the case ends, whatever state it is in."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.lifecycle import check, move
from moderation.models import Case, Withdrawal
from moderation.models.case import NO_CLAIM
from moderation.models.facts import tell
from moderation.rights import Actor, Verb
from moderation.selectors.access import expect, opened
from moderation.services.orders import announcements, enforcement
from moderation.services.story import answers
from moderation.states import AppealStatus, Move, Outcome, RunKind, Status


@transaction.atomic
def withdraw(
    case_id: uuid.UUID,
    *,
    by: Actor,
    reason: str,
    keep_in_force: bool = True,
    version: Collection[int] | None = None,
) -> None:
    """End a case. What was applied is left as it is, or reversed where `keep_in_force` is false.

    What the agent had still to do is cancelled and open appeals are closed; reversals that a rollback has promised are
    made all the same. Raises IllegalMove when it was withdrawn before.
    """
    case = opened(case_id, Verb.WITHDRAW, by=by)
    check(case, Move.WITHDRAW)
    if case.outcome == Outcome.WITHDRAWN:
        raise IllegalMove("This case was withdrawn already.")
    expect(case, version)
    called_off = _call_off(case)
    made = Withdrawal.objects.create(case=case, reason=reason, keep_in_force=keep_in_force, user_id=by.user)
    tells = tell("withdrawal", made)
    if case.status == Status.PENDING_ANALYSIS:
        # The agent may have answered, and its leg, which would have told so, was cancelled just now.
        for assessment in case.assessments.all():
            tells |= tell("assessment", assessment)
    if called_off or not keep_in_force:
        enforcement.plan_reversals(case)
    for appeal in case.appeals.open():
        answers.close(case, appeal, AppealStatus.WITHDRAWN, by=by, answer=reason)
    still_held = case.decision is not None and case.orders.filter(released_at=None, undoes=None).exists()
    move(
        case,
        Move.WITHDRAW,
        by=by,
        outcome=Outcome.WITHDRAWN,
        **NO_CLAIM,
        data={"withdrawal_id": made.pk, "keep_in_force": keep_in_force},
        tells=tells,
        **({} if still_held else {"decision": None}),
    )
    announcements.announce_completed(case)


def _call_off(case: Case) -> bool:
    """Cancel what the agent has still to do; answers whether a rollback is among it that was to reverse.

    A rollback that is done but has not reopened the case is called off as well: the round does not end with it, and
    may be rolled back again.
    """
    off = case.runs.filter(cancelled_at=None).filter(Q(done_at=None) | Q(kind=RunKind.ROLLBACK, round=case.round))
    promised = off.filter(kind=RunKind.ROLLBACK, done_at=None, keep_in_force=False).exists()
    off.update(cancelled_at=Now())
    return promised
