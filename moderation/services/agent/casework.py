"""The back office as the agent's nodes see it: the ports of agents.contract, on our rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import psycopg
from django.db import transaction

from agents.contract import Assessment as Thought
from agents.contract import Brief, LeaseLost, PolicyBrief, Route, Severity
from moderation.faultpoints import reach
from moderation.models import Assessment, Case, PolicyVersion, Run
from moderation.services.desk.policies import current_versions
from moderation.services.orders import enforcement

REPORTS_SHOWN_TO_THE_ANALYST = 20


class CaseRows:
    """One leg's view of its case. Implements agents.contract.Casework."""

    def __init__(self, case: Case, run: Run) -> None:
        self._case = case
        self._run = run
        self._versions: list[PolicyVersion] = []

    # --- while analysing: each call is a short transaction of its own --------------------------------------------

    def recall(self, case_id: str, round: int) -> Route | None:
        route = Assessment.objects.filter(case_id=case_id, round=round).values_list("route", flat=True).first()
        if route is not None:
            return Route(route)
        return Route.REVIEW if self.failure() else None

    def brief(self, case_id: str, round: int) -> Brief:
        case = self._case
        self._versions = current_versions()
        return Brief(
            case_id=case_id,
            round=round,
            text=case.text,
            content_type=case.content_type,
            language=case.language,
            policies=tuple(_policy_brief(version) for version in self._versions),
            report_reasons=tuple(case.reports.values_list("reason", flat=True)[:REPORTS_SHOWN_TO_THE_ANALYST]),
            context=case.context,
        )

    def record(self, case_id: str, round: int, assessment: Thought | None, route: Route, failure: str) -> Route:
        if assessment is None:
            self.record_failure(failure)
            return Route.REVIEW
        with transaction.atomic():
            self._hold_lease()
            row, _ = Assessment.objects.get_or_create(
                case_id=case_id, round=round, defaults=_columns(assessment, route, self._versions)
            )
            reach("analysis.before_assessment")
        reach("analysis.after_assessment")
        return Route(row.route)

    def record_failure(self, failure: str) -> None:
        """Keep why there is no assessment; the case goes to a human all the same."""
        with transaction.atomic():
            self._hold_lease()
            Run.objects.filter(pk=self._run.pk).update(failure=failure)

    def failure(self) -> str:
        """Why this run's analysis has no answer; empty while it has one or none is known yet."""
        return Run.objects.values_list("failure", flat=True).get(pk=self._run.pk)

    def assessment(self) -> Assessment | None:
        """What this run's analysis has found; its route says whether the case may be cleared without a human."""
        return Assessment.objects.filter(case_id=self._run.case_id, round=self._run.round).first()

    def fence(self, cursor: psycopg.Cursor[Any]) -> None:
        """Lock the run on the saver's own connection; LeaseLost unless the lease is still this leg's."""
        cursor.execute(
            "SELECT 1 FROM public.moderation_run WHERE id = %s AND lease_token = %s"
            " AND done_at IS NULL AND cancelled_at IS NULL FOR NO KEY UPDATE",
            [self._run.pk, self._run.lease_token],
        )
        if cursor.fetchone() is None:
            raise LeaseLost
        reach("analysis.in_fence")

    def _hold_lease(self) -> None:
        held = Run.objects.select_for_update(no_key=True).filter(
            pk=self._run.pk, lease_token=self._run.lease_token, done_at=None, cancelled_at=None
        )
        if not held.exists():
            raise LeaseLost

    # --- in the one transaction of a resume or rollback leg ------------------------------------------------------

    def order(self, case_id: str, round: int) -> None:
        if self._case.decision is None:
            raise ValueError(f"case {case_id} has no decision to carry out")
        enforcement.plan(self._case, self._case.decision)
        reach("resume.orders_planned")

    def reverse(self, case_id: str, round: int) -> None:
        if not self._run.keep_in_force:
            enforcement.plan_reversals(self._case)
        reach("rollback.reversals_planned")


def _policy_brief(version: PolicyVersion) -> PolicyBrief:
    return PolicyBrief(
        slug=version.policy.slug,
        title=version.title,
        text=version.text,
        severity=Severity(version.severity),
        threshold=version.threshold,
        actions=tuple(version.allowed_actions),
        examples=tuple(version.examples),
        terms=tuple(version.terms),
    )


def _columns(thought: Thought, route: Route, shown: list[PolicyVersion]) -> dict[str, Any]:
    versions = {version.policy.slug: version.pk for version in shown}
    return {
        "route": route.value,
        "violation": thought.violation,
        "confidence": thought.confidence,
        "severity": thought.severity.value if thought.severity else "",
        "summary": thought.summary,
        "findings": [{**asdict(finding), "version": versions.get(finding.slug)} for finding in thought.policies],
        "recommended_actions": list(thought.recommended_actions),
        "doubts": list(thought.doubts),
        "flags": list(thought.flags),
        "analyst": thought.analyst,
        "model": thought.model,
        "input_tokens": thought.input_tokens,
        "output_tokens": thought.output_tokens,
        "cost_usd": thought.cost_usd,
        "seconds": thought.seconds,
        "trace_id": thought.trace_id,
    }
