"""The content is gone on the client's side: the case ends, whatever state it is in."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.lifecycle import check, move
from moderation.models import Case, Withdrawal
from moderation.models.case import NO_CLAIM
from moderation.models.facts import tell
from moderation.rights import Actor
from moderation.services.orders import announcements, enforcement
from moderation.services.story import answers
from moderation.states import OPEN_APPEALS, AppealStatus, Move, Outcome, Status


@transaction.atomic
def withdraw(case: Case, *, reason: str, keep_in_force: bool = True, by: Actor) -> None:
    """End `case` (fetched locked). What was applied is left as it is, or reversed where `keep_in_force` is false.

    What the agent had still to do is cancelled and open appeals are closed. Raises IllegalMove when it was withdrawn
    before.
    """
    check(case, Move.WITHDRAW)
    if case.outcome == Outcome.WITHDRAWN:
        raise IllegalMove("This case was withdrawn already.")
    case.runs.filter(done_at=None, cancelled_at=None).update(cancelled_at=Now())
    made = Withdrawal.objects.create(case=case, reason=reason, keep_in_force=keep_in_force, user_id=by.user)
    tells = tell("withdrawal", made)
    if case.status == Status.PENDING_ANALYSIS:
        # The agent may have answered, and its leg, which would have told so, was cancelled just now.
        for assessment in case.assessments.all():
            tells |= tell("assessment", assessment)
    if not keep_in_force:
        enforcement.plan_reversals(case)
    for appeal in case.appeals.filter(status__in=OPEN_APPEALS):
        answers.close(case, appeal, AppealStatus.WITHDRAWN, answer=reason, actor=by)
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
