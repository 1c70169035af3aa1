"""Chapter 1: content comes in. One transaction writes the case, its report, its start run and its event."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from moderation.faultpoints import reach
from moderation.lifecycle import Priority, RunKind, Status
from moderation.models import Case, Client
from moderation.models.case import REVIEW_HOURS, ContentType
from moderation.services import runs
from moderation.services.history import note


@dataclass(frozen=True)
class Submission:
    """One piece of content as a client sent it, already validated (moderation.api.bodies)."""

    content_id: str
    text: str
    author_id: str
    content_type: str = ContentType.TEXT.value
    language: str = ""
    url: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    reporter_id: str = ""
    report_reason: str = ""
    priority: int = Priority.NORMAL.value

    @property
    def text_hash(self) -> str:
        """sha256 hex of the text: what makes two posts of the same content the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Accepted:
    """The case, and whether the submission joined one that was open already."""

    case: Case
    merged: bool


@transaction.atomic
def start(client: Client, submission: Submission, *, actor: str) -> Accepted:
    """Accept content for moderation.

    1. Serialise on (client, content, text), so that two starts at once make one case.
    2. Join the open case of the same content and text, keeping the reporter; or
    3. write a new case, linked to the newest one of the same content, with its start run.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"intake:{client.pk}:{submission.content_id}:{submission.text_hash}"],
        )
    known = list(
        Case.objects.filter(client=client, content_id=submission.content_id)
        .order_by("-created_at", "-pk")
        .only("pk", "status", "text_hash")
    )
    for case in known:
        if case.text_hash == submission.text_hash and case.status != Status.COMPLETED:
            joined = Case.objects.get(pk=case.pk)
            _keep_report(joined, submission, actor=actor)
            return Accepted(joined, merged=True)
    case = Case.objects.create(
        client=client,
        content_id=submission.content_id,
        content_type=submission.content_type,
        text=submission.text,
        text_hash=submission.text_hash,
        author_id=submission.author_id,
        language=submission.language,
        url=submission.url,
        context=submission.context,
        priority=submission.priority,
        previous=known[0] if known else None,
        due_at=timezone.now() + timedelta(hours=REVIEW_HOURS[submission.priority]),
    )
    note(case, "case.accepted", actor=actor, to=Status.PENDING_ANALYSIS.value, round=1)
    _keep_report(case, submission, actor=actor)
    runs.queue(case, RunKind.START)
    reach("intake.before_commit")
    return Accepted(case, merged=False)


def _keep_report(case: Case, submission: Submission, *, actor: str) -> None:
    if not submission.reporter_id:
        return
    # RETURNING tells whether this reporter is new to the case; bulk_create with ignore_conflicts would not.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO moderation_report (case_id, reporter_id, reason) VALUES (%s, %s, %s)"
            " ON CONFLICT (case_id, reporter_id) DO NOTHING RETURNING id",
            [case.pk, submission.reporter_id, submission.report_reason],
        )
        new = cursor.fetchone() is not None
    if new:
        note(case, "case.reported", actor=actor, reporter_id=submission.reporter_id)
