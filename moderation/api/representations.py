"""How our objects look in JSON. The shapes are the contract's; moderation.api.schema documents them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework.request import Request

from moderation.models import Appeal, Assessment, Decision, Notice, Order, PolicyVersion
from moderation.models.actions import ACTIONS
from moderation.selectors.dossier import Dossier
from moderation.selectors.feeds import Effect
from moderation.selectors.timeline import Line
from moderation.states import Priority


def case(dossier: Dossier) -> dict[str, Any]:
    """The case as contract section 3 describes it."""
    row = dossier.case
    at = {"case_id": row.pk}
    return {
        "id": str(row.pk),
        "content_id": row.content_id,
        "content_type": row.content_type,
        "text": row.text,
        "author_id": row.author_id,
        "language": row.language or None,
        "url": row.url or None,
        "context": row.context,
        "priority": Priority(row.priority).name.lower(),
        "status": row.status,
        "outcome": row.outcome or None,
        "round": row.round,
        "version": row.version,
        "created_at": _time(row.created_at),
        "updated_at": _time(row.updated_at),
        "due_at": _time(row.due_at),
        "assessment": assessment(dossier.assessment) if dossier.assessment else None,
        "decision": decision(dossier.decision) if dossier.decision else None,
        "actions": [action(order) for order in dossier.orders],
        "reports": [
            {"reporter_id": report.reporter_id, "reason": report.reason, "created_at": _time(report.created_at)}
            for report in dossier.reports
        ],
        "reports_total": dossier.reports_total,
        "appeals": [
            {
                "id": str(row.pk),
                "appellant_id": row.appellant_id,
                "side": row.side,
                "status": row.status,
                "round": row.round,
                "url": reverse("api:appeal", kwargs={"appeal_id": row.pk}),
            }
            for row in dossier.appeals
        ],
        "links": {
            "self": reverse("api:case", kwargs=at),
            "events": reverse("api:case-events", kwargs=at),
            "decision_schema": reverse("api:case-decision-schema", kwargs=at),
            "resume": reverse("api:case-resume", kwargs=at),
            "rollback": reverse("api:case-rollback", kwargs=at),
            "appeals": reverse("api:case-appeals", kwargs=at),
            "withdraw": reverse("api:case-withdraw", kwargs=at),
            "statement": reverse("api:case-statement", kwargs=at),
            "previous": reverse("api:case", kwargs={"case_id": row.previous_id}) if row.previous_id else None,
        },
    }


BRIEF = ("id", "status", "outcome", "round", "version", "links", "merged")


def brief(said: dict[str, Any]) -> dict[str, Any]:
    """What a key without `cases:read` sees of a case's document: how it stands, and nothing of what was said."""
    return {name: said[name] for name in BRIEF if name in said}


def is_case(said: Any) -> bool:
    """Is this a case's document, in full or in brief?"""
    return isinstance(said, dict) and "links" in said and "round" in said


def assessment(row: Assessment) -> dict[str, Any]:
    url = settings.LANGSMITH_RUN_URL
    return {
        "violation": row.violation,
        "confidence": row.confidence,
        "severity": row.severity or None,
        "summary": row.summary,
        "policies": [
            {name: finding[name] for name in ("slug", "confidence", "quotes", "rationale")} for finding in row.findings
        ],
        "recommended_actions": row.recommended_actions,
        "doubts": row.doubts,
        "flags": row.flags,
        "analyst": row.analyst,
        "model": row.model or None,
        "trace_url": url.replace("{run_id}", row.trace_id) if url and row.trace_id else None,
    }


def decision(row: Decision) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "round": row.round,
        "outcome": row.outcome,
        "actions": row.actions,
        "policies": [version.policy.slug for version in row.policies.all()],
        "reason": row.reason,
        "decided_by": row.decided_by,
        "decided_at": _time(row.decided_at),
    }


def action(order: Order) -> dict[str, Any]:
    return {
        "id": str(order.pk),
        "decision_id": str(order.decision_id),
        "action": order.action,
        "params": order.params,
        "target": {"kind": order.subject.kind, "id": order.subject.external_id},
        "status": order.status,
        "reversible": bool(ACTIONS[order.action].reversed_by),
        "applied_at": _time(order.applied_at),
        "reversed_at": _time(order.reversed_at),
        "attempts": order.attempts,
        "last_error": order.last_error or None,
    }


def event(row: Line) -> dict[str, Any]:
    return {"id": row.id, "type": row.type, "actor": row.actor, "at": _time(row.at), "data": row.data}


def appeal(row: Appeal, request: Request) -> dict[str, Any]:
    """An appeal; `status_url` is the public page, for the appellant's eyes."""
    return {
        "id": str(row.pk),
        "case_id": str(row.case_id),
        "decision_id": str(row.decision_id) if row.decision_id else None,
        "round": row.round,
        "appellant_id": row.appellant_id,
        "side": row.side,
        "statement": row.statement,
        "language": row.language or None,
        "status": row.status,
        "answer": row.answer or None,
        "answered_by": str(row.answered_by_id) if row.answered_by_id else None,
        "created_at": _time(row.created_at),
        "closed_at": _time(row.closed_at),
        "url": reverse("api:appeal", kwargs={"appeal_id": row.pk}),
        "status_url": request.build_absolute_uri(reverse("appeal-status", kwargs={"token": row.token})),
    }


def policy(row: PolicyVersion) -> dict[str, Any]:
    return {
        "slug": row.policy.slug,
        "version": row.number,
        "title": row.title,
        "text": row.text,
        "severity": row.severity,
        "allowed_actions": row.allowed_actions,
    }


def order(row: Order) -> dict[str, Any]:
    """An order as its webhook would say it, and where it stands."""
    document = row.notice.document
    return {"id": str(row.pk), "status": row.status, **{name: document[name] for name in ("type", "timestamp", "data")}}


def effect(row: Effect) -> dict[str, Any]:
    return {
        "action": row.order.action,
        "params": row.order.params,
        "target": {"kind": row.order.subject.kind, "id": row.order.subject.external_id},
        "expires_at": _time(row.until),
        "order_id": str(row.order.pk),
        "case_id": str(row.order.case_id),
        "decision_id": str(row.order.decision_id),
        "status": row.order.status,
    }


def announcement(row: Notice) -> dict[str, Any]:
    """`id` is the webhook-id."""
    return {"position": row.position, "id": str(row.order_id or row.pk), **row.document}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
