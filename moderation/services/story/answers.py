"""How appeals are answered: by the next decision, whose reason is the written answer, or closed without judging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now

from moderation.models import Appeal, Case, Decision, Side
from moderation.models.actions import ACTIONS
from moderation.models.facts import tell
from moderation.rights import Actor
from moderation.services.orders.announcements import announce
from moderation.services.record.history import SYSTEM, note
from moderation.states import OPEN_APPEALS, AppealStatus, Outcome


def has_open(case: Case) -> bool:
    """Does somebody wait for a written answer?"""
    return case.appeals.filter(status__in=OPEN_APPEALS).exists()


def answer(case: Case, decision: Decision) -> None:
    """Answer all open appeals with `decision`, which is just being carried out."""
    for appeal in case.appeals.filter(status__in=OPEN_APPEALS, round__lt=decision.round).select_related("decision"):
        close(case, appeal, _verdict(appeal, decision), answer=decision.reason, by=decision)


def _verdict(appeal: Appeal, decision: Decision) -> AppealStatus:
    """An author's appeal is granted by `no_violation`, partly by strictly fewer or milder actions; a reporter's is
    granted by more or harsher ones; else it is denied."""
    now, then = _actions(decision), _actions(appeal.decision)
    if appeal.side == Side.REPORTER:
        return AppealStatus.GRANTED if now > then else AppealStatus.DENIED
    if decision.outcome == Outcome.NO_VIOLATION:
        return AppealStatus.GRANTED
    return AppealStatus.PARTLY_GRANTED if now < then else AppealStatus.DENIED


def compare(decision: Decision, before: Decision | None) -> int:
    """1 where `decision` is worse for the author than what stood before, -1 where it is better, 0 where it is alike."""
    now = (decision.outcome == Outcome.VIOLATION, _actions(decision))
    then = (before is not None and before.outcome == Outcome.VIOLATION, _actions(before))
    return (now > then) - (now < then)


def _actions(decision: Decision | None) -> list[tuple[int, int]]:
    """Its actions from the harshest down, as (weight, days): fewer, milder or shorter ones compare as less."""
    sent: Sequence[dict[str, Any]] = decision.actions if decision is not None else []
    weights = [(ACTIONS[item["action"]].weight, int(item.get("params", {}).get("days", 0))) for item in sent]
    return sorted(weights, reverse=True)


def close(
    case: Case,
    appeal: Appeal,
    status: AppealStatus,
    *,
    answer: str,
    by: Decision | None = None,
    actor: Actor = SYSTEM,
) -> None:
    """End an appeal with `status` and tell everybody concerned."""
    appeal.status, appeal.answer, appeal.answered_by, appeal.closed_at = status, answer, by, Now()
    appeal.save(update_fields=["status", "answer", "answered_by", "closed_at"])
    del appeal.closed_at  # the database has worked it out: read again when somebody asks
    said = {"appeal_id": str(appeal.pk), "status": status.value} | ({"answer_id": str(by.pk)} if by else {})
    note(case, "appeal.decided", by=actor, tells=tell("appeal_state", appeal), **said)
    announce(case.client_id, "appeal.decided", told(case, appeal), case=case, priority=case.priority)


def told(case: Case, appeal: Appeal) -> dict[str, Any]:
    """What the client's notices say of an appeal."""
    return {
        "appeal_id": str(appeal.pk),
        "case_id": str(case.pk),
        "content_id": case.content_id,
        "appellant_id": appeal.appellant_id,
        "side": str(appeal.side),
        "status": str(appeal.status),
        "answer": appeal.answer or None,
    }
