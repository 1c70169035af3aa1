"""Chapter 1: content comes in. One transaction writes the case, its report, its start run and its event."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from moderation.clock import database_now
from moderation.errors import NotAllowed
from moderation.faultpoints import reach
from moderation.models import Case, Report
from moderation.models.case import REVIEW_HOURS, ContentType
from moderation.models.facts import tell
from moderation.models.salted import new_salt
from moderation.rights import Actor, Verb, require
from moderation.services.agent import runs
from moderation.services.record.history import note_each
from moderation.states import Priority, Status


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

    @cached_property
    def text_hash(self) -> str:
        """sha256 hex of the text: what makes two posts of the same content the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, str]:
        """The same content with the same text is the same case while that is open."""
        return self.content_id, self.text_hash


@dataclass(frozen=True)
class Accepted:
    """The case, and whether the submission joined one that was open already."""

    case: Case
    merged: bool


def start(submission: Submission, *, by: Actor) -> Accepted:
    """Accept one piece of content for moderation: start_many of one."""
    return start_many([submission], by=by)[0]


@transaction.atomic
def start_many(submissions: Sequence[Submission], *, by: Actor) -> list[Accepted]:
    """Accept content of the client that acts; one answer for each, in their order, one round trip per kind of row.

    1. Join what is open already, its row locked so that it cannot complete meanwhile.
    2. Write a case for each other (content, text). A constraint allows one, and a second writer of the same waits for
       the first, so two starts at once make one case.
    3. Keep every reporter; write the start runs and the events.
    """
    require(by, Verb.START)
    client = by.client
    if client is None:
        raise NotAllowed("Content is handed in by a client app.")
    wanted: dict[tuple[str, str], Submission] = {}
    for submission in submissions:
        wanted.setdefault(submission.identity, submission)
    found = {(case.content_id, case.text_hash): case for case in _open_cases(client, list(wanted.values()))}
    new: list[Case] = []
    while missing := [wanted[identity] for identity in sorted(wanted.keys() - found.keys())]:
        # Again only for a case that completed between the two statements.
        written = _write_cases(client, missing)
        for case in _open_cases(client, missing):
            found[case.content_id, case.text_hash] = case
            if case.pk in written:
                new.append(case)
    said = {"to": Status.PENDING_ANALYSIS.value, "round": 1}
    lines = [(one, said, tell("case", one) | tell("case_state", one), one.created_at) for one in new]
    note_each("case.accepted", lines, by=by)
    _keep_reports([(found[one.identity], one) for one in submissions if one.reporter_id], by=by)
    runs.queue_starts(new)
    reach("intake.before_commit")
    fresh = {case.pk for case in new}
    answers = []
    for submission in submissions:
        case = found[submission.identity]
        answers.append(Accepted(case, merged=case.pk not in fresh))
        fresh.discard(case.pk)
    return answers


def _write_cases(client: int, submissions: Sequence[Submission]) -> set[uuid.UUID]:
    """Try to write a case for each, sorted so that two batches cannot block one another; the ids that were tried."""
    before = (
        Case.objects.filter(client_id=client, content_id__in={one.content_id for one in submissions})
        .order_by("content_id", "-created_at", "-pk")
        .distinct("content_id")
        .values_list("content_id", "pk")
    )
    newest = dict(before)
    # Values, where Now() would cost many rows a third more time; for one row the statement is not worth it.
    now = database_now() if len(submissions) > 1 else Now()
    cases = [
        Case(
            client_id=client,
            content_id=one.content_id,
            content_type=one.content_type,
            text=one.text,
            text_hash=one.text_hash,
            author_id=one.author_id,
            language=one.language,
            url=one.url,
            context=one.context,
            priority=one.priority,
            previous_id=newest.get(one.content_id),
            created_at=now,
            updated_at=now,
            moved_at=now,
            due_at=now + timedelta(hours=REVIEW_HOURS[one.priority]),
        )
        for one in submissions
    ]
    Case.objects.bulk_create(cases, ignore_conflicts=True)
    return {case.pk for case in cases}


def _open_cases(client: int, submissions: Sequence[Submission]) -> list[Case]:
    wanted = {one.identity for one in submissions}
    rows = (
        Case.objects.select_for_update(no_key=True)
        .filter(
            client_id=client,
            content_id__in=sorted({content_id for content_id, _ in wanted}),
            text_hash__in=sorted({text_hash for _, text_hash in wanted}),
        )
        .exclude(status=Status.COMPLETED)
        .order_by("pk")
    )
    return [case for case in rows if (case.content_id, case.text_hash) in wanted]


def _keep_reports(reports: list[tuple[Case, Submission]], *, by: Actor) -> None:
    if not reports:
        return
    with connection.cursor() as cursor:
        # RETURNING tells which reporters are new to their case; bulk_create with ignore_conflicts would not.
        cursor.execute(
            "INSERT INTO moderation_report (case_id, reporter_id, reason, salt)"
            " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[])"
            " ON CONFLICT (case_id, reporter_id) DO NOTHING"
            " RETURNING id, case_id, reporter_id, reason, salt, created_at",
            [
                [case.pk for case, _ in reports],
                [one.reporter_id for _, one in reports],
                [one.report_reason for _, one in reports],
                [new_salt() for _ in reports],
            ],
        )
        names = [column.name for column in cursor.description]
        new = [Report(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    cases = {case.pk: case for case, _ in reports}
    lines = [(cases[one.case_id], {"report_id": one.pk}, tell("report", one), one.created_at) for one in new]
    note_each("case.reported", lines, by=by)
