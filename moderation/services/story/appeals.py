"""Chapter 4: somebody objects. Who may, against what, until when; what an appeal sets in motion; how it is answered.

An appeal is against the decision of a round (or against the agent's clearing, round 1). It is answered by the next
decision, when the agent carries that out; so a decision that is undone has answered nothing.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from agents.folding import says_nothing
from moderation.clock import database_now
from moderation.errors import IllegalMove, NotAllowed, Unacceptable
from moderation.models import Appeal, AppealMode, Case, Decision, Severity, Side
from moderation.models.facts import tell
from moderation.rights import Actor, Verb
from moderation.selectors.access import expect, opened, opened_appeal
from moderation.services.orders.announcements import announce
from moderation.services.record.history import SYSTEM, note
from moderation.services.story import answers, rollback
from moderation.states import AppealStatus, Outcome, Status

DEFAULT_WINDOW = timedelta(days=184)
FURTHER_APPEALS_WITHIN = timedelta(days=30)
"""An author who appeals again so soon waits for the second review: else any banned author lifts his ban by one POST."""
GRAVE = frozenset({Severity.HIGH.value, Severity.CRITICAL.value})


class AppealRefused(IllegalMove):
    """409: already appealed, window closed, or final."""

    title = "This cannot be appealed"


@transaction.atomic
def submit(
    case_id: uuid.UUID,
    *,
    by: Actor,
    appellant_id: str,
    statement: str,
    language: str = "",
    version: Collection[int] | None = None,
) -> Appeal:
    """Take an appeal in.

    1. Who: the author or one of the reporters, else NotAllowed `not_a_party`.
    2. Against what: the decision in force, or the one whose second review is under way; the agent's clearing for a
       reporter. AppealRefused `already_appealed`, `window_closed`, `final`; IllegalMove before any decision.
    3. It joins a second review that is under way, or sets one in motion.
    """
    case = opened(case_id, Verb.APPEAL, by=by)
    expect(case, version)
    side = _side(case, appellant_id)
    decision, round = _appealed(case, side)
    if case.appeals.filter(round=round, appellant_id=appellant_id).exists():
        raise AppealRefused("This decision was appealed by this person already.", code="already_appealed")
    if database_now() > _closes(case, decision):
        raise AppealRefused("The time to appeal this decision is over.", code="window_closed")
    if decision is not None and not _open_to(decision, side):
        raise AppealRefused("This decision answered an appeal and is final for this side.", code="final")
    appeal = Appeal.objects.create(
        case=case,
        client_id=case.client_id,
        decision=decision,
        round=round,
        appellant_id=appellant_id,
        side=side,
        statement=statement,
        language=language,
        token=secrets.token_urlsafe(32),
        status=AppealStatus.UNDER_REVIEW if case.status == Status.PENDING_REVIEW else AppealStatus.SUBMITTED,
    )
    appeal.refresh_from_db()
    tells = tell("appeal", appeal) | tell("appeal_state", appeal)
    note(case, "appeal.received", by=by, tells=tells, appeal_id=str(appeal.pk), round=round)
    announce(case.client_id, "appeal.received", answers.told(case, appeal), case=case, priority=case.priority)
    _set_in_motion(case, appeal)
    return appeal


def _set_in_motion(case: Case, appeal: Appeal) -> None:
    """Roll the case back for the second review, unless one is under way that the appeal joins."""
    if case.status in (Status.COMPLETED, Status.ENFORCING):
        reason = f"Appeal by the {appeal.side}."
        rollback.take_back(case, SYSTEM, reason, keep_in_force=_keeps_in_force(case, appeal))


@transaction.atomic
def declare_inadmissible(appeal_id: uuid.UUID, *, by: Actor, reason: str) -> None:
    """Close an appeal without judging it. Raises Unacceptable without a reason, NotAllowed `same_reviewer` for whoever
    made the decision that is appealed, IllegalMove once it is closed."""
    appeal = opened_appeal(appeal_id, Verb.CLOSE_APPEAL, by=by)
    if appeal.decision is not None and appeal.decision.made_by(by.person):
        raise NotAllowed(
            "This person made the decision that is appealed; somebody else must close it.", code="same_reviewer"
        )
    if says_nothing(reason):
        raise Unacceptable("Say why the appeal is inadmissible: the appellant will read it.")
    answers.close(appeal.case, appeal, AppealStatus.INADMISSIBLE, by=by, answer=reason)


# --- who, what, until when ---------------------------------------------------------------------------------------


def _side(case: Case, appellant_id: str) -> Side:
    if appellant_id == case.author_id:
        return Side.AUTHOR
    if case.reports.filter(reporter_id=appellant_id).exists():
        return Side.REPORTER
    raise NotAllowed("Only the author and those who reported the content can appeal.", code="not_a_party")


def _appealed(case: Case, side: Side) -> tuple[Decision | None, int]:
    """The decision that is appealed, and its round; None for the agent's clearing."""
    if case.outcome == Outcome.WITHDRAWN:
        raise AppealRefused("The content was withdrawn; there is nothing left to decide.", code="final")
    newest = case.decisions.filter(withdrawn_at=None).order_by("-round").first()
    if newest is not None:
        if case.status == Status.ENFORCING and not rollback.orders_are_given(case):
            raise IllegalMove("The decision is only just being carried out. Try again in a moment.")
        return newest, newest.round
    if case.outcome != Outcome.CLEARED and case.round == 1 and case.status != Status.ROLLING_BACK:
        raise IllegalMove("Nothing has been decided yet that could be appealed.")
    if side is Side.AUTHOR:
        raise NotAllowed("The content was cleared; only its reporters can appeal that.", code="not_a_party")
    return None, 1


def _closes(case: Case, decision: Decision | None) -> datetime:
    """When the window of a decision ends: the longest of the policies it names, from the moment it was made."""
    if decision is None:
        cleared = case.events.filter(type="case.cleared").values_list("at", flat=True).first()
        return (cleared or case.updated_at) + DEFAULT_WINDOW
    days = [version.appeal_window_days for version in decision.policies.all()]
    return decision.decided_at + (timedelta(days=max(days)) if days else DEFAULT_WINDOW)


def _open_to(decision: Decision, side: Side) -> bool:
    """A decision that answered an appeal can be appealed only by a side that it newly disfavours."""
    if not decision.answers.exists():
        return True
    before = decision.case.decisions.filter(withdrawn_at=None, round__lt=decision.round).order_by("-round").first()
    change = answers.compare(decision, before)
    return change > 0 if side is Side.AUTHOR else change < 0


def _keeps_in_force(case: Case, appeal: Appeal) -> bool:
    """Restore first only for an author, not under a grave or keeping policy, and not again within 30 days."""
    if appeal.side == Side.REPORTER or appeal.decision is None:
        return True
    if any(
        version.severity in GRAVE or version.appeal_mode == AppealMode.KEEP_IN_FORCE
        for version in appeal.decision.policies.all()
    ):
        return True
    return (
        Appeal.objects.filter(
            case__client_id=case.client_id,
            appellant_id=appeal.appellant_id,
            side=Side.AUTHOR,
            created_at__gt=Now() - FURTHER_APPEALS_WITHIN,
        )
        .exclude(pk=appeal.pk)
        .exists()
    )
