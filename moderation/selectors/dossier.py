"""Everything a page or an answer tells about cases: a fixed number of queries however many cases there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from moderation.models import Appeal, Assessment, Case, Decision, Order, Report
from moderation.states import Direction

REPORTS_SHOWN = 50


@dataclass
class Dossier:
    """A case with what belongs to it. `orders` are the applying ones, in the order they were planned."""

    case: Case
    assessment: Assessment | None = None
    decision: Decision | None = None
    orders: list[Order] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    reports_total: int = 0
    appeals: list[Appeal] = field(default_factory=list)


def dossiers(cases: Sequence[Case]) -> list[Dossier]:
    """Seven queries, in the order of `cases`."""
    ids = [case.pk for case in cases]
    found: dict[UUID, Dossier] = {case.pk: Dossier(case) for case in cases}
    if not ids:
        return []
    for assessment in Assessment.objects.filter(case_id__in=ids).order_by("round"):
        found[assessment.case_id].assessment = assessment
    decisions = Decision.objects.filter(pk__in=[case.decision_id for case in cases if case.decision_id])
    for decision in decisions.prefetch_related("policies__policy"):
        found[decision.case_id].decision = decision
    orders = Order.objects.filter(case_id__in=ids, direction=Direction.APPLY, resends=None)
    for order in orders.select_related("subject").order_by("place"):
        found[order.case_id].orders.append(order)
    turn = Window(RowNumber(), partition_by=F("case_id"), order_by=[F("created_at").desc(), F("id").desc()])
    newest = Report.objects.filter(case_id__in=ids).annotate(turn=turn).filter(turn__lte=REPORTS_SHOWN)
    for report in newest.order_by("-created_at", "-id"):
        found[report.case_id].reports.append(report)
    totals: dict[UUID, int] = defaultdict(int)
    counted = Report.objects.filter(case_id__in=ids).order_by().values("case_id").annotate(n=Count("id"))
    totals.update(counted.values_list("case_id", "n"))
    for appeal in Appeal.objects.filter(case_id__in=ids).order_by("created_at", "pk"):
        found[appeal.case_id].appeals.append(appeal)
    for case_id, dossier in found.items():
        dossier.reports_total = totals[case_id]
    return [found[case.pk] for case in cases]


def new_dossier(case: Case) -> Dossier:
    """Of a case that was written in this transaction: at most its reports. One query."""
    reports = list(case.reports.all())
    return Dossier(case, reports=reports[:REPORTS_SHOWN], reports_total=len(reports))
