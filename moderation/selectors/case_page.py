"""Everything the page of one case tells: a fixed number of queries however long its history is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from django.db.models import F, Window
from django.db.models.functions import Now, RowNumber

from moderation.errors import NotFound
from moderation.models import (
    Appeal,
    Assessment,
    Attempt,
    Case,
    Decision,
    Order,
    Person,
    Report,
    Run,
    User,
    barred,
)
from moderation.selectors.access import NO_SUCH_CASE, cases_for
from moderation.selectors.queue import titles_of
from moderation.selectors.timeline import Line, events_of, timeline
from moderation.states import Outcome, RunKind, Status

REPORTS_SHOWN = 50
EVENTS_SHOWN = 200
TRIES_SHOWN = 20


@dataclass
class CasePage:
    """One case as this person sees it. `now`: the database's clock. `reader`: who holds a live claim, else empty.
    `barred`: this person made the decision under review. `undo_seconds`: how long this person can still take the
    decision back, 0 when they cannot. `orders` in their line's order, reversals included; those in `behind` wait for
    one of them, those in `stuck` for another case's order about the same subject. `tries`: the newest of each order,
    newest first. `person`: who looks, as people are compared."""

    case: Case
    now: datetime
    person: Person
    reader: str = ""
    mine: bool = False
    barred: bool = False
    assessment: Assessment | None = None
    titles: dict[int, str] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    orders: Sequence[Order] = ()
    behind: frozenset[uuid.UUID] = frozenset()
    stuck: frozenset[uuid.UUID] = frozenset()
    tries: dict[uuid.UUID, list[Attempt]] = field(default_factory=dict)
    reports: Sequence[Report] = ()
    reports_total: int = 0
    appeals: Sequence[Appeal] = ()
    events: Sequence[Line] = ()
    runs: Sequence[Run] = ()
    undo_seconds: float = 0

    @property
    def waits(self) -> bool:
        return self.case.status == Status.PENDING_REVIEW

    @property
    def can_claim(self) -> bool:
        return self.waits and not self.barred and (self.mine or not self.reader)

    @property
    def failure(self) -> str:
        """Why there is no assessment; empty while there is one, or none yet."""
        if self.assessment is not None:
            return ""
        return next((run.failure for run in self.runs if run.kind == RunKind.START and run.failure), "")

    @property
    def open_appeals(self) -> bool:
        """Whether the next decision's reason is somebody's written answer."""
        return any(appeal.is_open for appeal in self.appeals)

    @property
    def can_roll_back(self) -> bool:
        """Whether there is a decision, or the agent's clearing, to be taken back now."""
        if self.case.status == Status.COMPLETED:
            return self.case.outcome != Outcome.WITHDRAWN
        return self.case.status == Status.ENFORCING and any(
            run.kind == RunKind.RESUME and run.round == self.case.round and run.done_at and not run.cancelled_at
            for run in self.runs
        )

    @property
    def struggling(self) -> list[Run]:
        """Legs of the agent's work that have failed and are tried again."""
        return [run for run in self.runs if run.done_at is None and run.cancelled_at is None and run.last_error]

    @property
    def print(self) -> str:
        """Changes when anything on the page has: lets a page that looks again swap only what is new."""
        said = [
            self.case.version,
            self.reader,
            len(self.reports),
            [(appeal.pk, appeal.status) for appeal in self.appeals],
            [(order.pk, order.status, order.attempts, order.listed_at) for order in self.orders],
            [(run.pk, run.attempts, run.done_at) for run in self.runs],
            [event.id for event in self.events[:1]],
            self.undo_seconds > 0,
        ]
        return sha256(repr(said).encode()).hexdigest()[:16]


def case_page(case_id: uuid.UUID, user: User) -> CasePage:
    """At most sixteen queries. Raises NotFound."""
    person = Person.called(user.get_username(), user.pk)
    case = (
        cases_for(user)
        .select_related("client", "claimed_by", "decision")
        .with_claim()
        .annotate(now=Now(), barred=barred(person))
        .filter(pk=case_id)
        .first()
    )
    if case is None:
        raise NotFound(NO_SUCH_CASE)
    page = CasePage(case=case, now=case.now, barred=case.barred, person=person)
    if case.claimed_by is not None and case.is_claimed:
        page.reader, page.mine = case.claimed_by.get_username(), case.claimed_by_id == user.pk
    page.assessment = case.assessments.order_by("-round").first()
    page.titles = titles_of([page.assessment] if page.assessment else [])
    page.decisions = list(case.decisions.prefetch_related("policies").order_by("-decided_at"))
    found = list(case.orders.with_line().select_related("undoes").order_by("place", "created_at"))
    page.orders, page.behind = found, frozenset(order.pk for order in found if order.waits_for_case)
    page.stuck = frozenset(order.pk for order in found if order.waits_for_subject) - page.behind
    page.tries = _tries(found)
    page.reports = list(case.reports.all()[:REPORTS_SHOWN])
    page.reports_total = len(page.reports) if len(page.reports) < REPORTS_SHOWN else case.reports.count()
    page.appeals = list(case.appeals.select_related("decision").order_by("created_at", "pk"))
    page.runs = list(case.runs.order_by("created_at", "pk"))
    tries = [attempt for some in page.tries.values() for attempt in some]
    known = [*page.decisions, *page.orders, *page.reports, *page.appeals, *page.runs, *tries]
    page.events = timeline(events_of(case).order_by("-pk")[:EVENTS_SHOWN], known=known)
    page.undo_seconds = _undo_seconds(page, user)
    return page


def _tries(orders: Sequence[Order]) -> dict[uuid.UUID, list[Attempt]]:
    """A failing endpoint is probed every 30 s for three days: only the newest tries of each order are fetched."""
    turn = Window(RowNumber(), partition_by=F("order_id"), order_by=F("id").desc())
    tried = [order.pk for order in orders if order.first_tried_at is not None]
    found: dict[uuid.UUID, list[Attempt]] = {}
    if tried:
        newest = Attempt.objects.filter(order_id__in=tried).annotate(turn=turn).filter(turn__lte=TRIES_SHOWN)
        for row in newest.order_by("-id"):
            if row.order_id is not None:
                found.setdefault(row.order_id, []).append(row)
    return found


def _undo_seconds(page: CasePage, user: User) -> float:
    decision = page.case.decision
    if page.case.status != Status.ENFORCING or decision is None or decision.user_id != user.pk:
        return 0
    for run in page.runs:
        waits = run.done_at is None and run.cancelled_at is None
        if waits and run.kind == RunKind.RESUME and run.round == page.case.round:
            return max(0.0, (run.due_at - page.now).total_seconds())
    return 0
