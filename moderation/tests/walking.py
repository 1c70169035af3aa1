"""Cases that are walked through every verb, with a mark in every word and name that anybody gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from moderation.models import Case, Order, Role, Run, User
from moderation.services.orders import giving_up
from moderation.tests.moderators import Moderator, end_the_undo_window, sql
from moderation.tests.people import App, app, work
from moderation.tests.platform import Platform

MARK = "mark-"


def person(name: str, role: Role = Role.MODERATOR) -> User:
    return User.objects.get_or_create(username=MARK + name, defaults={"role": role})[0]


def walk(client_app: App, platform: Platform) -> list[str]:
    """Walk four cases; their ids."""
    client_app.client.name = "mark-app"
    client_app.client.save()
    return [_long(client_app, platform), _failing(client_app, platform), _unanalysed(client_app), _fetched()]


def _start(client_app: App, number: int) -> str:
    """Reported, and reported again by somebody else."""
    said = {
        "text": f"You are a loser, nobody likes you. mark-text-{number}",
        "content_id": f"mark-post-{number}",
        "author_id": "mark-author",
        "url": "https://mark-host.example/",
        "context": {"mark-key": "mark-value"},
    }
    case_id = client_app.start(**said, report={"reporter_id": "mark-reporter", "reason": "mark-complaint"})
    work()
    client_app.start(**said, report={"reporter_id": "mark-other", "reason": "mark-too"})
    return case_id


def _long(client_app: App, platform: Platform) -> str:
    """Claimed, let go, decided, undone, decided; delayed, applied; appealed; decided again; rolled back; withdrawn."""
    case_id = _start(client_app, 1)
    first = Moderator(person("ana"))
    ruled: dict[str, Any] = {
        "actions": ["remove_content", "suspend_author"],
        "policies": ["harassment"],
        "days": "7",
        "reason": "mark-why",
        "note": "mark-note",
    }
    first.do("claim", case_id)
    first.do("release", case_id)
    first.do("claim", case_id)
    first.decide(case_id, **ruled)
    first.do("undo", case_id)
    first.decide(case_id, **ruled)
    end_the_undo_window(case_id)
    with connection.cursor() as cursor:  # the agent's memory of it is lost
        for table in ("checkpoints", "checkpoint_writes", "checkpoint_blobs"):
            cursor.execute(f"DELETE FROM agent.{table} WHERE thread_id = %s", [case_id])
    platform.behave = lambda document: (503, b"mark-body")
    work()
    platform.behave = _saying("applied")
    _due()
    appeal = {"appellant_id": "mark-author", "statement": "mark-objection"}
    assert client_app.post(f"cases/{case_id}/appeals/", appeal).status_code == 201
    platform.behave = _saying("already")
    _due()
    again = client_app.decide(case_id, "warn_author", by="mark-ben", reason="mark-answer", note="mark-aside")
    assert again.status_code == 202
    platform.behave = _saying("refused")
    _due()
    back = client_app.roll_back(case_id, reason="mark-rollback", requested_by="mark-sue")
    assert back.status_code == 202
    platform.behave = _saying("applied")
    _due()
    assert client_app.post(f"cases/{case_id}/withdraw/", {"reason": "mark-gone"}).status_code == 202
    _due()
    return case_id


def _failing(client_app: App, platform: Platform) -> str:
    """An order fails and is sent again by a supervisor; she rolls it back; an appeal is inadmissible."""
    case_id = _start(client_app, 2)
    assert client_app.decide(case_id, "remove_content", by="mark-ana", reason="mark-why").status_code == 202
    platform.behave = lambda document: (500, b"mark-body")
    work()
    sql("UPDATE moderation_order SET first_tried_at = now() - interval '73 hours', due_at = now() WHERE attempts = 1")
    work()
    platform.behave = _saying("applied")
    desk = Browser()
    desk.force_login(person("sue", Role.SUPERVISOR))
    chosen = [str(order.pk) for order in Order.objects.filter(case_id=case_id)]
    desk.post(reverse("admin:moderation_order_changelist"), {"action": "send_again", "_selected_action": chosen})
    _due()
    Moderator(person("sue")).do("rollback", case_id, why="mark-doubt")
    _due()
    client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": "mark-reporter", "statement": "mark-more"})
    row = Case.objects.get(pk=case_id).appeals.get()
    closed = Moderator(person("ben")).browser.post(f"/console/appeals/{row.pk}/inadmissible/", {"why": "mark-no"})
    assert closed.status_code == 302
    return case_id


def _unanalysed(client_app: App) -> str:
    """The analysis never ends; the content goes."""
    said = {"text": "mark-text-3", "content_id": "mark-post-3", "author_id": "mark-author"}
    case_id = client_app.start(**said)
    Run.objects.filter(case_id=case_id).update(attempts=9, last_error="mark-error")
    work()
    client_app.post(f"cases/{case_id}/withdraw/", {"reason": "mark-deleted"})
    _due()
    return case_id


def _fetched() -> str:
    """A client that fetches its orders confirms one and forgets the other."""
    puller = app(name="mark-puller")
    case_id = puller.start("You are a loser. mark-text-4", content_id="mark-post-4", author_id="mark-author-4")
    work()
    actions = ["remove_content", "warn_author"]
    assert puller.decide(case_id, *actions, by="mark-ana", reason="mark-why").status_code == 202
    work()
    (order,) = puller.get("orders/", status="pending").json()["results"]
    said = {"result": "applied", "detail": "mark-detail"}
    assert puller.post(f"orders/{order['id']}/confirm/", said).status_code == 200
    puller.get("orders/", status="pending")
    sql(
        "UPDATE moderation_order SET due_at = now() - interval '73 hours', listed_at = now() - interval '73 hours'"
        " WHERE status = 'planned'"
    )
    giving_up.give_up_unconfirmed()
    return case_id


def _due() -> None:
    sql("UPDATE moderation_order SET due_at = now() WHERE status = 'planned'")
    work()


def _saying(result: str) -> Callable[[dict[str, Any]], tuple[int, bytes]]:
    return lambda document: (200, f'{{"result": "{result}", "detail": "mark-{result}"}}'.encode())
