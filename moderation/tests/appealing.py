"""A decided case, and appeals against it."""

from __future__ import annotations

from typing import Any

from moderation.models import Appeal
from moderation.tests.moderators import sql
from moderation.tests.people import RUDE, App, work
from moderation.tests.platform import Platform

AUTHOR, REPORTER = "author-1", "reporter-1"


def decided(client_app: App, *actions: Any, outcome: str = "violation", author_id: str = AUTHOR, **fields: Any) -> str:
    """A completed case with one reporter."""
    report = {"reporter_id": REPORTER, "reason": "Unkind."}
    case_id = client_app.start(RUDE, report=report, author_id=author_id)
    work()
    assert client_app.decide(case_id, *actions, outcome=outcome, **fields).status_code == 202
    work()
    assert client_app.case(case_id)["status"] == "completed"
    return case_id


def appeal(client_app: App, case_id: str, who: str = AUTHOR, **fields: Any) -> Any:
    return client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": who, "statement": "I object.", **fields})


def appealed(client_app: App, **fields: Any) -> tuple[str, Appeal]:
    """A case that Ana decided and its author appealed; it waits for its second review."""
    case_id = decided(client_app, "remove_content", by="ana")
    appeal(client_app, case_id, **fields)
    work()
    return case_id, Appeal.objects.get(case_id=case_id)


def failed(client_app: App, platform: Platform, *actions: str) -> str:
    """A completed case whose orders could not be delivered for 72 hours."""
    platform.behave = lambda document: (503, b"")
    case_id = client_app.start(RUDE, author_id=AUTHOR)
    work()
    client_app.decide(case_id, *(actions or ["remove_content"]), by="ana")
    for _ in actions or [0]:
        work()
        sql(
            "UPDATE moderation_order SET first_tried_at = now() - interval '73 hours', due_at = now() "
            "WHERE status = 'planned'"
        )
        work()
    assert client_app.case(case_id)["status"] == "completed"
    assert {status for _, status in client_app.statuses(case_id)} == {"failed"}
    platform.behave = lambda document: (200, b"")
    return case_id
