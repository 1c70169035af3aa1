"""How appeals are answered: by the next decision, whose reason is the written answer, or closed without judging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moderation.lifecycle import move_appeal
from moderation.models import Appeal, Case, Decision, Side
from moderation.models.actions import ACTIONS
from moderation.rights import Actor
from moderation.services.orders.announcements import announce
from moderation.states import AppealStatus, Outcome


def answer(case: Case, decision: Decision) -> None:
    """Answer all open appeals with `decision`, which is just being carried out."""
    for appeal in case.appeals.open().filter(round__lt=decision.round).select_related("decision"):
        verdict = _verdict(appeal, decision)
        close(case, appeal, verdict, by=Actor.of_decision(decision, case), answer=decision.reason, answered_by=decision)


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
    case: Case, appeal: Appeal, status: AppealStatus, *, by: Actor, answer: str, answered_by: Decision | None = None
) -> None:
    """End an appeal with `status` and tell everybody concerned. Raises IllegalMove once it is closed."""
    move_appeal(case, appeal, status, by=by, answer=answer, answered_by=answered_by)
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
