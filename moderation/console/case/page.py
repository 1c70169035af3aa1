"""The page of one case as its template wants it: everything in words, nothing left to compute there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from moderation.console import words
from moderation.console.case.forms import DecisionForm, WhyForm, agreed
from moderation.console.case.panels import APPEALS, DECISION, ORDERS, Panel, barred
from moderation.console.words.visible import Piece, pieces, true_spans
from moderation.models import Appeal, Assessment, Decision, Order, PolicyVersion, User
from moderation.models.actions import ACTIONS
from moderation.selectors.case_page import TRIES_SHOWN, CasePage
from moderation.states import OrderStatus


@dataclass(frozen=True)
class Suspicion:
    """One policy the agent thinks is broken. `invented`: quotes that are not in the text."""

    title: str
    confidence: str
    rationale: list[Piece]
    quotes: list[list[Piece]]
    invented: list[list[Piece]]


def context(
    page: CasePage,
    user: User,
    *,
    versions: list[PolicyVersion],
    form: DecisionForm | None = None,
    typed: dict[str, Any] | None = None,
    panel: Panel | None = None,
    why: WhyForm | None = None,
    at: str = "",
    focus: str = DECISION,
) -> dict[str, Any]:
    """The template's variables. `form`: one that was refused, to be shown with its errors; `typed`: what was typed
    before something else went wrong; `why`: a reason that was refused, and `at` whose it is: an appeal's id, or empty
    for the rollback. `focus`: the part of the page where something was pressed."""
    case, thought = page.case, page.assessment
    # With something typed the form stays on the screen as long as the case can still be claimed again.
    shown = page.mine or bool(typed and page.can_claim)
    suggestion = agreed(thought, versions)
    if form is None:
        form = DecisionForm(initial={"days": 7, **(typed or {})}, versions=versions)
    spans, suspicions = _findings(page)
    return {
        "page": page,
        "case": case,
        "panel": panel,
        "notice": panel if panel and panel.place == DECISION else None,
        "focus": "" if panel else focus if focus in (ORDERS, APPEALS) else DECISION,
        "why": why.data if why and not at else {},
        "rollback_tried": why is not None and not at,
        "form": form if shown else None,
        **(_fields(form, suggestion, versions) if shown else {}),
        "kept": None if shown else _kept(typed),
        "suggestion": suggestion,
        "barred": barred() if page.barred and page.waits else "",
        "may_free": user.is_supervisor and page.reader and not page.mine,
        "status": words.status(page),
        "due": words.due(case.due_at, page.now, case.priority) if page.waits else None,
        "priority": words.priority(case.priority),
        "content_type": words.content_type(case.content_type),
        "received": words.ago(case.created_at, page.now),
        "text": pieces(case.text, spans),
        "extra": pieces(json.dumps(case.context, ensure_ascii=False, indent=2)) if case.context else [],
        "thought": _thought(thought, suspicions) if thought else None,
        "reports": [(row, pieces(row.reason), words.ago(row.created_at, page.now)) for row in page.reports],
        "appeals": [_appeal(row, page, why if at == str(row.pk) else None) for row in page.appeals],
        "orders": _orders(page, user),
        "struggles": [pieces(words.struggle(run, page.now)) for run in page.struggling],
        "decisions": [_decision(row, page) for row in page.decisions],
        "undo_seconds": round(page.undo_seconds),
        "events": [(row, pieces(words.event(row)), words.actor(row.actor, called=row.called)) for row in page.events],
    }


def _fields(form: DecisionForm, suggestion: dict[str, Any], versions: list[PolicyVersion]) -> dict[str, Any]:
    """The form's controls: what is ticked, and what the agent would tick."""

    def choices(name: str) -> list[dict[str, Any]]:
        value, agent = form[name].value() or [], suggestion.get(name, [])
        return [
            {"name": key, "label": label, "on": key in value, "agent": key in agent}
            for key, label in form.fields[name].choices  # type: ignore[attr-defined]
        ]

    actions = choices("actions")
    for choice in actions:
        known = ACTIONS[choice["name"]]
        choice.update(days=known.takes_days, final=not known.reversed_by)
    texts = {version.policy.slug: version.text for version in versions}
    policies = choices("policies")
    for number, choice in enumerate(policies, 1):
        choice.update(key=number if number < 10 else "", text=texts[choice["name"]])
    outcome = form["outcome"].value()
    return {
        "outcomes": [
            {"name": key, "label": label, "on": key == outcome, "agent": key == suggestion.get("outcome")}
            for key, label in form.fields["outcome"].choices  # type: ignore[attr-defined]
        ],
        "actions": actions,
        "policies": policies,
    }


def _findings(page: CasePage) -> tuple[list[tuple[int, int]], list[Suspicion]]:
    spans: list[tuple[int, int]] = []
    suspicions = []
    for finding in page.assessment.findings if page.assessment else []:
        true, invented = true_spans(page.case.text, finding.get("quotes", []))
        spans += true
        suspicions.append(
            Suspicion(
                title=page.titles.get(finding.get("version"), finding["slug"]),
                confidence=words.percent(finding["confidence"]),
                rationale=pieces(finding.get("rationale", "")),
                quotes=[pieces(said) for said in dict.fromkeys(page.case.text[start:end] for start, end in true)],
                invented=[pieces(said) for said in invented],
            )
        )
    return spans, suspicions


def _thought(row: Assessment, suspicions: list[Suspicion]) -> dict[str, Any]:
    url = settings.LANGSMITH_RUN_URL
    return {
        "violation": row.violation,
        "round": row.round,
        "confidence": words.percent(row.confidence),
        "sureness": words.sureness(row.confidence),
        "severity": words.severity(row.severity),
        "summary": pieces(row.summary),
        "suspicions": suspicions,
        "recommended": words.actions(row.recommended_actions),
        "doubts": [pieces(doubt) for doubt in row.doubts],
        "flags": [words.FLAGS.get(flag, flag) for flag in row.flags],
        "analyst": words.analyst(row.analyst, row.model),
        "trace_url": url.replace("{run_id}", row.trace_id) if url and row.trace_id else "",
    }


def _decision(row: Decision, page: CasePage) -> dict[str, Any]:
    return {
        "row": row,
        "in_force": row.pk == page.case.decision_id,
        "ruling": words.ruling(row.outcome, row.actions),
        "ago": words.ago(row.decided_at, page.now),
        "policies": [version.title for version in row.policies.all()],
        "reason": pieces(row.reason),
        "note": pieces(row.note),
    }


def _orders(page: CasePage, user: User) -> list[dict[str, Any]]:
    """What was ordered, in its line's order, each reversal below the action it takes back."""
    known = {row.pk for row in page.orders}

    def one(row: Order, *, beside: bool = False) -> dict[str, Any]:
        reversals = [other for other in page.orders if other.undoes_id == row.pk]
        # Where its reversal failed, an order is called failed too; it is the reversal that can be sent again.
        failed = row.status == OrderStatus.FAILED and not reversals
        return {
            **_order(row, page, beside=beside),
            "may_replay": failed and user.is_supervisor,
            "reversals": [one(reversal, beside=True) for reversal in reversals],
        }

    return [one(row) for row in page.orders if row.undoes_id not in known]


def _order(row: Order, page: CasePage, *, beside: bool) -> dict[str, Any]:
    line = words.order(row, page, beside=beside)
    tries = page.tries.get(row.pk, [])
    return {
        "row": row,
        "line": line,
        "more": pieces(" ".join(line.more)),
        "tries": [(attempt, said, pieces(said.what)) for attempt, said in ((one, words.attempt(one)) for one in tries)],
        "more_tries": len(tries) == TRIES_SHOWN,
    }


def _appeal(row: Appeal, page: CasePage, why: WhyForm | None) -> dict[str, Any]:
    own = row.decision is not None and row.decision.made_by(page.person)
    return {
        "row": row,
        "side": words.side(row.side),
        "status": words.appeal_status(row.status),
        "is_open": row.is_open,
        "may_close": row.is_open and not own,
        "why": why.data if why else {},
        "tried": why is not None,
        "ago": words.ago(row.created_at, page.now),
        "statement": pieces(row.statement),
        "answer": pieces(row.answer),
    }


def _kept(typed: dict[str, Any] | None) -> dict[str, Any] | None:
    """What somebody had typed, in words, for a case that is no longer theirs to decide."""
    if not typed:
        return None
    names = typed.get("actions") or []
    return {
        "ruling": words.ruling(str(typed.get("outcome", "")), names) if typed.get("outcome") else "",
        "reason": typed.get("reason", ""),
        "note": typed.get("note", ""),
    }
