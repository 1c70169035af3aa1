"""Chapter 2: a human looks at it. Claim, release, decide, undo; the same functions for the console and the API."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from moderation.errors import Conflict, FieldTrouble, IllegalMove, NotAllowed, PreconditionFailed, Unacceptable
from moderation.lifecycle import check, move
from moderation.models import Case, Decision, Run, User, Via
from moderation.models.actions import ACTIONS, DEFAULT_DAYS, MAX_DAYS
from moderation.models.case import NO_CLAIM
from moderation.models.facts import tell
from moderation.rights import Actor
from moderation.selectors.access import locked_case
from moderation.services.agent import runs
from moderation.services.desk import policies
from moderation.services.record.history import note
from moderation.services.story import answers
from moderation.states import RULINGS, Door, Move, Outcome, RunKind, Status

CLAIM = timedelta(seconds=120)
"""How long a claim lasts without a heartbeat."""
UNDO_WINDOW = timedelta(seconds=10)
"""How long a decision made in the console can be taken back."""
LONGEST_TEXT = 5000


@dataclass(frozen=True)
class Ruling:
    """What somebody wants to decide. `actions`: names, or {"action": name, "params": {...}}."""

    outcome: str
    actions: Sequence[str | dict[str, Any]] = ()
    policies: Sequence[str] = ()
    reason: str = ""
    note: str = ""


def fold(name: str) -> str:
    """A person's name as it is compared: after NFKC, casefolding and trimming, without invisible characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter) != "Cf").strip()


# --- claims ------------------------------------------------------------------------------------------------------


@transaction.atomic
def claim(case_id: uuid.UUID, user: User) -> Case:
    """Take, or renew, this moderator's short lease on a case that waits for review.

    Raises IllegalMove (not waiting), Conflict `claimed` (somebody else has it), NotAllowed `same_reviewer`.
    """
    case = locked_case(case_id, user=user)
    check(case, Move.DECIDE)
    _refuse_first_decider(case, user.get_username())
    if case.claimed_by_id not in (None, user.pk) and _claim_is_live(case):
        raise Conflict(f"{case.claimed_by} is reading this case.", code="claimed")
    renewed = case.claimed_by_id == user.pk and case.claim_token is not None
    token = case.claim_token if renewed else uuid.uuid4()
    Case.objects.filter(pk=case.pk).update(claimed_by=user, claim_token=token, claim_until=Now() + CLAIM)
    if not renewed:
        note(case, "case.claimed", by=Actor.of_user(user, Door.CONSOLE))
    case.refresh_from_db(fields=["claimed_by", "claim_token", "claim_until"])
    return case


@transaction.atomic
def renew(case_id: uuid.UUID, user: User, *, claim_token: str) -> None:
    """The heartbeat of an open page: prolong the claim whose token it holds, and never take a new one.

    Raises IllegalMove (not waiting any more), Conflict `claim_lost` (released, or somebody else has it).
    """
    case = locked_case(case_id, user=user)
    check(case, Move.DECIDE)
    if case.claimed_by_id != user.pk or str(case.claim_token) != claim_token:
        raise Conflict("Your claim on this case has ended. Claim it again to decide.", code="claim_lost")
    Case.objects.filter(pk=case.pk).update(claim_until=Now() + CLAIM)


@transaction.atomic
def claim_next(user: User) -> Case | None:
    """Claim the most urgent case that waits and is free, passing over what others are just taking."""
    free = (
        Case.objects.filter(status=Status.PENDING_REVIEW)
        .filter(Q(claimed_by=None) | Q(claim_until__lte=Now()) | Q(claimed_by=user))
        .exclude(decisions__in=Decision.objects.filter(decider=fold(user.get_username()), withdrawn_at=None))
        .order_by("-priority", "due_at", "pk")
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
        .first()
    )
    return claim(free.pk, user) if free is not None else None


@transaction.atomic
def release(case_id: uuid.UUID, user: User) -> None:
    """Give a claim back. Releasing what one does not hold changes nothing; a supervisor may free anybody's."""
    case = locked_case(case_id, user=user)
    if case.claimed_by_id is None or (case.claimed_by_id != user.pk and not user.is_supervisor):
        return
    Case.objects.filter(pk=case.pk).update(**NO_CLAIM)
    note(case, "case.released", by=Actor.of_user(user, Door.CONSOLE))


def _claim_is_live(case: Case) -> bool:
    return Case.objects.filter(pk=case.pk, claim_until__gt=Now()).exists()


# --- decisions ---------------------------------------------------------------------------------------------------


@transaction.atomic
def decide_in_console(case_id: uuid.UUID, user: User, ruling: Ruling, *, claim_token: str, version: int) -> Decision:
    """Decide as a moderator: needs a live claim and the version that was on the screen; takes effect when the undo
    window has ended. Raises Conflict (`claim_lost`), PreconditionFailed, IllegalMove, NotAllowed, Unacceptable."""
    case = locked_case(case_id, user=user)
    check(case, Move.DECIDE)
    if case.version != version:
        raise PreconditionFailed("The case has changed since you opened it. Your note was kept; look again.")
    if case.claimed_by_id != user.pk or str(case.claim_token) != claim_token or not _claim_is_live(case):
        raise Conflict("Your claim on this case has run out. Claim it again to decide.", code="claim_lost")
    return _decide(case, ruling, by=Actor.of_user(user, Door.CONSOLE), via=Via.CONSOLE, user=user, delay=UNDO_WINDOW)


@transaction.atomic
def decide_over_api(case: Case, ruling: Ruling, *, decided_by: str, by: Actor) -> Decision:
    """Decide over the API, at once. `case` was fetched locked (selectors.access). Raises Conflict `claimed` while a
    moderator reads it in the console, and whatever decide_in_console raises but the claim's loss."""
    check(case, Move.DECIDE)
    if case.claimed_by_id is not None and _claim_is_live(case):
        raise Conflict("A moderator is reading this case in the console.", code="claimed")
    return _decide(case, ruling, by=by.naming(decided_by), via=Via.API, user=None, delay=timedelta(0))


def _decide(case: Case, ruling: Ruling, *, by: Actor, via: Via, user: User | None, delay: timedelta) -> Decision:
    name = by.name
    actions = _known_actions(ruling)
    versions = policies.named(list(ruling.policies))
    earlier = _refuse_first_decider(case, name)
    if not ruling.reason.strip() and answers.has_open(case):
        raise Unacceptable(
            "An appeal waits for its written answer. Nothing was changed.",
            errors=[FieldTrouble("/reason", "Needed here: it is what the appellant will read.")],
        )
    decision = Decision.objects.create(
        case=case,
        round=case.round,
        outcome=ruling.outcome,
        actions=actions,
        reason=ruling.reason,
        note=ruling.note,
        decided_by=name,
        decider=fold(name),
        user=user,
        via=via,
        earlier=earlier,
        earlier_decider=earlier.decider if earlier else None,
    )
    if versions:
        decision.policies.set(versions)
    decision.refresh_from_db(fields=["decided_at"])
    runs.queue(case, RunKind.RESUME, decision=decision, delay=delay)
    move(
        case,
        Move.DECIDE,
        by=by,
        decision=decision,
        **NO_CLAIM,
        data={"decision_id": str(decision.pk), "outcome": ruling.outcome, "actions": actions, "via": via.value},
        tells=tell("decision", decision, policies=sorted(version.pk for version in versions))
        | tell("decision_state", decision),
    )
    return decision


@transaction.atomic
def undo(case_id: uuid.UUID, user: User) -> Case:
    """Take one's own console decision back while its window is open and the agent has not been woken.

    The case is claimed for the same person again. Raises IllegalMove when it is too late, NotAllowed for others.
    """
    case = locked_case(case_id, user=user)
    check(case, Move.UNDO)
    decision = case.decision
    if decision is None or decision.user_id != user.pk:
        raise NotAllowed("Only the person who decided can undo it.")
    # The row of a leg that has begun is finished by the time the case's lock is ours: one of the two wins, whole.
    stopped = Run.objects.filter(
        case=case, kind=RunKind.RESUME, round=case.round, done_at=None, cancelled_at=None, due_at__gt=Now()
    ).update(cancelled_at=Now())
    if not stopped:
        raise IllegalMove("Too late to undo: the decision is being carried out. Ask for a rollback instead.")
    Decision.objects.filter(pk=decision.pk).update(withdrawn_at=Now())
    before = case.decisions.filter(withdrawn_at=None, round__lt=case.round).order_by("-round").first()
    still_held = before if before is not None and before.orders.filter(released_at=None).exists() else None
    move(
        case,
        Move.UNDO,
        by=Actor.of_user(user, Door.CONSOLE),
        decision=still_held,
        claimed_by=user,
        claim_token=uuid.uuid4(),
        claim_until=Now() + CLAIM,
        data={"decision_id": str(decision.pk)},
        tells=tell("decision_state", decision, withdrawn=True),
    )
    case.refresh_from_db()
    return case


def _refuse_first_decider(case: Case, name: str) -> Decision | None:
    """The decision under review, unless `name` made it: then NotAllowed `same_reviewer`."""
    earlier = case.decisions.filter(withdrawn_at=None, round__lt=case.round).order_by("-round").first()
    if earlier is not None and earlier.decider == fold(name):
        raise NotAllowed(
            "This person made the decision that is under review; somebody else must look at it.", code="same_reviewer"
        )
    return earlier


def _known_actions(ruling: Ruling) -> list[dict[str, Any]]:
    """The actions with their parameters filled in. Raises Unacceptable with a pointer to each bad one."""
    troubles: list[FieldTrouble] = []
    if ruling.outcome not in RULINGS:
        troubles.append(FieldTrouble("/outcome", f"Must be one of {', '.join(sorted(RULINGS))}."))
    if ruling.outcome == Outcome.NO_VIOLATION and ruling.actions:
        troubles.append(FieldTrouble("/actions", "`no_violation` takes no actions."))
    known: list[dict[str, Any]] = []
    for index, item in enumerate(ruling.actions):
        at = f"/actions/{index}"
        name, params = (item, {}) if isinstance(item, str) else (item.get("action"), item.get("params", {}))
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            troubles.append(FieldTrouble(at, f"Unknown action. Known: {', '.join(sorted(ACTIONS))}."))
            continue
        if any(other["action"] == action.name for other in known):
            troubles.append(FieldTrouble(at, f"`{action.name}` is named twice."))
            continue
        if not isinstance(params, dict) or set(params) - ({"days"} if action.takes_days else set()):
            troubles.append(FieldTrouble(f"{at}/params", "Only `suspend_author` takes a parameter, `days`."))
            continue
        if action.takes_days:
            days = params.get("days", DEFAULT_DAYS)
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
                troubles.append(FieldTrouble(f"{at}/params/days", f"A whole number from 1 to {MAX_DAYS}."))
                continue
            params = {"days": days}
        known.append({"action": action.name, "params": params})
    if troubles:
        raise Unacceptable("The decision cannot be accepted. Nothing was changed.", errors=troubles)
    return known
