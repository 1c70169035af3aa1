"""The queue as a moderator sees it: a fixed number of queries however many cases wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q
from django.db.models.functions import Coalesce, Left, Now

from moderation.models import Assessment, Person, PolicyVersion, User, barred
from moderation.models.case import CaseQuerySet
from moderation.selectors.access import cases_for
from moderation.states import Status

PAGE = 50
EXCERPT = 240
"""Characters of the content a row shows; the rest is not even fetched."""


@dataclass(frozen=True)
class Waiting:
    """One case that waits for review. `claimed_by`: who is reading it now, else empty. `barred`: this person made the
    decision under review. `policies`: titles of what the agent suspects. `confidence` None: the agent has no answer."""

    id: UUID
    client: str
    content_type: str
    priority: int
    due_at: datetime
    round: int
    excerpt: str
    cut: bool
    claimed_by: str
    mine: bool
    barred: bool
    violation: bool
    confidence: float | None
    policies: Sequence[str]


@dataclass(frozen=True)
class Queue:
    """A page of what waits, most urgent first. `now`: the database's clock, by which everything here is measured."""

    rows: Sequence[Waiting]
    now: datetime
    waiting: int
    late: int
    analysing: int
    page: int
    pages: int


def queue(user: User, *, page: int = 1) -> Queue:
    """Four queries."""
    seen = cases_for(user)
    waits = Q(status=Status.PENDING_REVIEW)
    counts: dict[str, Any] = seen.exclude(status=Status.COMPLETED).aggregate(
        waiting=Count("pk", filter=waits),
        late=Count("pk", filter=waits & Q(due_at__lt=Now())),
        analysing=Count("pk", filter=Q(status=Status.PENDING_ANALYSIS)),
        now=Coalesce(Max(Now()), Now()),
    )
    pages = max(1, -(-counts["waiting"] // PAGE))
    page = min(max(1, page), pages)
    cases = _page_of(seen.waiting(), Person.called(user.get_username(), user.pk), page)
    thoughts = {
        thought.case_id: thought
        for thought in Assessment.objects.filter(case_id__in=[case["pk"] for case in cases])
        .only("case_id", "violation", "confidence", "findings")
        .order_by("case_id", "-round")
        .distinct("case_id")
    }
    titles = titles_of(thoughts.values())
    rows = [_row(case, thoughts.get(case["pk"]), titles, user) for case in cases]
    return Queue(rows=rows, page=page, pages=pages, **counts)


def news(user: User, since: datetime) -> int:
    """How many cases have come into the queue since then. One query."""
    return cases_for(user).waiting().filter(moved_at__gt=since).count()


def titles_of(thoughts: Any) -> dict[int, str]:
    """The titles of the policy versions that these assessments pinned, by the versions' ids. One query."""
    pinned = {finding.get("version") for thought in thoughts for finding in thought.findings}
    return dict(PolicyVersion.objects.filter(pk__in=pinned - {None}).values_list("pk", "title"))


def _page_of(cases: CaseQuerySet, person: Person, page: int) -> list[dict[str, Any]]:
    fields = ("pk", "client__name", "content_type", "priority", "due_at", "round", "claimed_by_id")
    rows = (
        cases.order_by("-priority", "due_at", "pk")
        .with_claim()
        .annotate(excerpt=Left("text", EXCERPT + 1), reader=F("claimed_by__username"), barred=barred(person))
        .values(*fields, "excerpt", "is_claimed", "reader", "barred")
    )
    return list(rows[(page - 1) * PAGE : page * PAGE])


def _row(case: dict[str, Any], thought: Assessment | None, titles: dict[int, str], user: User) -> Waiting:
    return Waiting(
        id=case["pk"],
        client=case["client__name"],
        content_type=case["content_type"],
        priority=case["priority"],
        due_at=case["due_at"],
        round=case["round"],
        excerpt=case["excerpt"][:EXCERPT],
        cut=len(case["excerpt"]) > EXCERPT,
        claimed_by=case["reader"] if case["is_claimed"] else "",
        mine=bool(case["is_claimed"]) and case["claimed_by_id"] == user.pk,
        barred=case["barred"],
        violation=thought is not None and thought.violation,
        confidence=thought.confidence if thought else None,
        policies=[titles.get(f.get("version"), f["slug"]) for f in thought.findings] if thought else (),
    )
