"""Chapter 2: a human looks at it. Claim, release, decide, undo; the same functions for the console and the API."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import NoReturn

from django.db import transaction
from django.db.models.functions import Now

from moderation.errors import Conflict, IllegalMove, NotAllowed
from moderation.lifecycle import check, move
from moderation.models import Case, Decision, Run, barred
from moderation.models.case import NO_CLAIM
from moderation.models.facts import tell
from moderation.rights import Actor, Verb, may, require
from moderation.selectors.access import expect, opened
from moderation.services.agent import runs
from moderation.services.record.history import note
from moderation.services.story.rulings import Ruling, judge
from moderation.states import Door, Move, RunKind

CLAIM = timedelta(seconds=120)
"""How long a claim lasts without a heartbeat."""
UNDO_WINDOW = timedelta(seconds=10)
"""How long a decision made in the console can be taken back."""


# --- claims ------------------------------------------------------------------------------------------------------


@transaction.atomic
def claim(case_id: uuid.UUID, *, by: Actor) -> Case:
    """Take, or renew, this moderator's short lease on a case that waits for review.

    Raises IllegalMove (not waiting), Conflict `claimed` (somebody else has it), NotAllowed `same_reviewer`.
    """
    return _claim(opened(case_id, Verb.CLAIM, by=by), by)


def _claim(case: Case, by: Actor) -> Case:
    check(case, Move.DECIDE)
    _under_review(case, by)
    if case.claimed_by_id != by.user and case.is_claimed:
        raise Conflict(f"{case.claimed_by} is reading this case.", code="claimed")
    renewed = case.claimed_by_id == by.user and case.claim_token is not None
    token = case.claim_token if renewed else uuid.uuid4()
    Case.objects.filter(pk=case.pk).update(claimed_by=by.user, claim_token=token, claim_until=Now() + CLAIM)
    if not renewed:
        note(case, "case.claimed", by=by)
    case.refresh_from_db(fields=["claimed_by", "claim_token", "claim_until"])
    return case


@transaction.atomic
def renew(case_id: uuid.UUID, *, by: Actor, claim_token: str) -> None:
    """The heartbeat of an open page: prolong the claim whose token it holds, and never take a new one.

    Raises IllegalMove (not waiting any more), Conflict `claim_lost` (released, or somebody else has it).
    """
    case = opened(case_id, Verb.CLAIM, by=by)
    check(case, Move.DECIDE)
    if case.claimed_by_id != by.user or str(case.claim_token) != claim_token:
        _lost("Your claim on this case has ended. Claim it again to decide.")
    Case.objects.filter(pk=case.pk).update(claim_until=Now() + CLAIM)


@transaction.atomic
def claim_next(*, by: Actor) -> Case | None:
    """Claim the most urgent case that waits, is free and is this person's to decide, passing over what others are just
    taking."""
    require(by, Verb.CLAIM)
    if by.user is None:
        return None
    free = (
        Case.objects.waiting()
        .open_to(by.user)
        .exclude(barred(by.person))
        .order_by("-priority", "due_at", "pk")
        .with_claim()
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
        .first()
    )
    return _claim(free, by) if free is not None else None


@transaction.atomic
def release(case_id: uuid.UUID, *, by: Actor) -> None:
    """Give a claim back. Releasing what one does not hold changes nothing; a supervisor may free anybody's."""
    case = opened(case_id, Verb.RELEASE, by=by)
    if case.claimed_by_id is None or (case.claimed_by_id != by.user and not may(by, Verb.FREE)):
        return
    Case.objects.filter(pk=case.pk).update(**NO_CLAIM)
    note(case, "case.released", by=by)


def _lost(detail: str) -> NoReturn:
    raise Conflict(detail, code="claim_lost")


# --- decisions ---------------------------------------------------------------------------------------------------


@transaction.atomic
def decide(
    case_id: uuid.UUID, ruling: Ruling, *, by: Actor, version: Collection[int] | None = None, claim_token: str = ""
) -> Decision:
    """Decide a case that waits for review; `by` is whoever decides, or the client that names them.

    In the console it needs a live claim, by its token, and takes effect when the undo window has ended; over the API it
    takes effect at once, and is Conflict `claimed` while a moderator reads the case. Raises IllegalMove, Conflict
    `claim_lost`, PreconditionFailed, NotAllowed `same_reviewer`, Unacceptable with a pointer to each bad field.
    """
    case = opened(case_id, Verb.DECIDE, by=by)
    check(case, Move.DECIDE)
    expect(case, version)
    if by.door == Door.API:
        if case.is_claimed:
            raise Conflict("A moderator is reading this case in the console.", code="claimed")
    elif case.claimed_by_id != by.user or str(case.claim_token) != claim_token or not case.is_claimed:
        _lost("Your claim on this case has run out. Claim it again to decide.")
    earlier = _under_review(case, by)
    judged = judge(case, ruling, door=by.door)
    decision = Decision.objects.create(
        case=case,
        round=case.round,
        outcome=ruling.outcome,
        actions=judged.actions,
        reason=ruling.reason,
        note=ruling.note,
        decided_by=by.name,
        decider=by.person.name,
        user_id=by.user,
        via=by.door,
        earlier=earlier,
        earlier_decider=earlier.decider if earlier else None,
        earlier_account=(earlier.user_id or 0) if earlier else None,
    )
    if judged.versions:
        decision.policies.set(judged.versions)
    decision.refresh_from_db(fields=["decided_at"])
    delay = timedelta(0) if by.door == Door.API else UNDO_WINDOW
    runs.queue(case, RunKind.RESUME, decision=decision, delay=delay)
    told = {
        "decision_id": str(decision.pk),
        "outcome": ruling.outcome,
        "actions": judged.actions,
        "via": by.door.value,
    }
    tells = tell("decision", decision, policies=sorted(version.pk for version in judged.versions))
    tells |= tell("decision_state", decision)
    move(case, Move.DECIDE, by=by, decision=decision, **NO_CLAIM, data=told, tells=tells)
    return decision


@transaction.atomic
def undo(case_id: uuid.UUID, *, by: Actor) -> Case:
    """Take one's own console decision back while its window is open and the agent has not been woken.

    The case is claimed for the same person again. Raises IllegalMove when it is too late, NotAllowed for others.
    """
    case = opened(case_id, Verb.UNDO, by=by)
    check(case, Move.UNDO)
    decision = case.decision
    if decision is None or decision.user_id != by.user:
        raise NotAllowed("Only the person who decided can undo it.")
    # The row of a leg that has begun is finished by the time the case's lock is ours: one of the two wins, whole.
    stopped = Run.objects.filter(
        case=case, kind=RunKind.RESUME, round=case.round, done_at=None, cancelled_at=None, due_at__gt=Now()
    ).update(cancelled_at=Now())
    if not stopped:
        raise IllegalMove("Too late to undo: the decision is being carried out. Ask for a rollback instead.")
    Decision.objects.filter(pk=decision.pk).update(withdrawn_at=Now())
    before = case.decisions.under_review(case, case.round).first()
    still_held = before if before is not None and before.orders.filter(released_at=None).exists() else None
    move(
        case,
        Move.UNDO,
        by=by,
        decision=still_held,
        claimed_by_id=by.user,
        claim_token=uuid.uuid4(),
        claim_until=Now() + CLAIM,
        data={"decision_id": str(decision.pk)},
        tells=tell("decision_state", decision, withdrawn=True),
    )
    case.refresh_from_db()
    return case


def _under_review(case: Case, by: Actor) -> Decision | None:
    """The decision under review, unless `by` made it: then NotAllowed `same_reviewer`."""
    earlier = case.decisions.under_review(case, case.round).first()
    if earlier is not None and earlier.made_by(by.person):
        raise NotAllowed(
            "This person made the decision that is under review; somebody else must look at it.", code="same_reviewer"
        )
    return earlier
