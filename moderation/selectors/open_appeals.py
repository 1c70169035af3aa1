"""The appeals that wait for their answer, as a moderator sees them: two queries however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Max
from django.db.models.functions import Coalesce, Left, Now

from moderation.models import Appeal, Person, User, live_claim
from moderation.models.judgement import made_by
from moderation.selectors.access import cases_for
from moderation.selectors.queue import EXCERPT, PAGE
from moderation.states import Status

COLUMNS = (
    *("pk", "case_id", "side", "appellant_id", "status", "created_at", "case__status"),
    *("case__content_type", "case__content_id", "case__client__name", "case__claimed_by_id"),
)


@dataclass(frozen=True)
class OpenAppeal:
    """One appeal. `waits`: its case can be decided now. `reader`: who is reading the case, else empty. `barred`: this
    person made the decision it is against."""

    id: UUID
    case_id: UUID
    client: str
    content_type: str
    content_id: str
    side: str
    appellant_id: str
    status: str
    excerpt: str
    cut: bool
    created_at: datetime
    waits: bool
    reader: str
    mine: bool
    barred: bool


@dataclass(frozen=True)
class OpenAppeals:
    """A page of them, oldest first. `now`: the database's clock."""

    rows: Sequence[OpenAppeal]
    now: datetime
    waiting: int
    page: int
    pages: int


def open_appeals(user: User, *, page: int = 1) -> OpenAppeals:
    """Two queries."""
    waiting = Appeal.objects.open().filter(case__in=cases_for(user))
    counts: dict[str, Any] = waiting.aggregate(waiting=Count("pk"), now=Coalesce(Max(Now()), Now()))
    pages = max(1, -(-counts["waiting"] // PAGE))
    page = min(max(1, page), pages)
    person = Person.called(user.get_username(), user.pk)
    live = ExpressionWrapper(live_claim("case__"), BooleanField())
    own = ExpressionWrapper(made_by(person, "decision__"), BooleanField())
    rows = (
        waiting.order_by("created_at", "pk")
        .annotate(excerpt=Left("statement", EXCERPT + 1), live=live, own=own, reader=F("case__claimed_by__username"))
        .values(*COLUMNS, "excerpt", "live", "own", "reader")
    )
    found = [_row(row, user) for row in rows[(page - 1) * PAGE : page * PAGE]]
    return OpenAppeals(rows=found, page=page, pages=pages, **counts)


def _row(row: dict[str, Any], user: User) -> OpenAppeal:
    return OpenAppeal(
        id=row["pk"],
        case_id=row["case_id"],
        client=row["case__client__name"],
        content_type=row["case__content_type"],
        content_id=row["case__content_id"],
        side=row["side"],
        appellant_id=row["appellant_id"],
        status=row["status"],
        excerpt=row["excerpt"][:EXCERPT],
        cut=len(row["excerpt"]) > EXCERPT,
        created_at=row["created_at"],
        waits=row["case__status"] == Status.PENDING_REVIEW,
        reader=row["reader"] if row["live"] else "",
        mine=bool(row["live"]) and row["case__claimed_by_id"] == user.pk,
        barred=bool(row["own"]),
    )
