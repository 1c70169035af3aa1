"""A machine's clock is an hour off: due times, leases, windows and timestamps are the database's all the same."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from moderation.clock import database_now
from moderation.models import ApiKey, Appeal, Case, Client, Notice, Order
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.orders import delivery, webhooks
from moderation.services.post import outbox
from moderation.services.story import legs
from moderation.states import Door
from moderation.tests.people import App, app, sue, work
from moderation.tests.platform import Platform

CLOSE = timedelta(seconds=20)
"""Far less than the hour, and more than a busy machine takes."""


@pytest.fixture(params=[-1, 1], ids=["an hour behind", "an hour ahead"], autouse=True)
def wrong_clock(request: pytest.FixtureRequest, client_app: App, platform: Platform) -> Iterator[None]:
    """This process's clock, which is not PostgreSQL's."""
    platform.secret = ""  # it would verify by the wrong clock
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=request.param), tick=True):
        assert abs(timezone.now() - database_now()) > timedelta(minutes=59)
        yield


def close(moment: datetime | None, to: timedelta = timedelta(0)) -> bool:
    """Is it that far from the database's now?"""
    assert moment is not None
    return abs(moment - database_now() - to) < CLOSE


def decided(client_app: App, *actions: Any) -> str:
    case_id = client_app.start(report={"reporter_id": "r", "reason": "Rude."})
    work()
    assert client_app.decide(case_id, *actions, reason="Rude.").status_code == 202
    work()
    return case_id


def test_a_failed_delivery_is_tried_again_when_it_should_be(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (503, b"")
    began = time.monotonic()
    decided(client_app, "remove_content")
    order = Order.objects.get()
    passed = timedelta(seconds=time.monotonic() - began)
    assert order.attempts <= 1 + passed.total_seconds(), "its tries are not burnt"
    assert timedelta(0) < order.due_at - database_now() + passed < passed + timedelta(seconds=6)
    assert close(order.first_tried_at)
    notice = Notice.objects.filter(order=None).earliest("created_at")
    assert close(notice.due_at)


def test_a_reversal_is_due_at_once_and_everything_has_its_time(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content", {"action": "suspend_author", "params": {"days": 1}})
    order = Order.objects.get(action="suspend_author")
    assert close(order.expires_at, timedelta(days=1))
    assert close(parse_datetime(order.params["expires_at"]), timedelta(days=1))
    assert close(order.applied_at)
    (effect,) = client_app.get("effects/", author_id="author-1").json()["results"]
    assert effect["action"] == "suspend_author"
    client_app.roll_back(case_id)
    for offer in outbox.claim(starts_at_once=8):
        if offer.kind == "rollback":
            legs.roll_back(offer.id)
    assert close(Order.objects.filter(direction="reverse").latest("due_at").due_at)
    work()
    assert client_app.statuses(case_id) == [("remove_content", "reversed"), ("suspend_author", "reversed")]
    assert close(Order.objects.filter(direction="apply")[0].reversed_at)
    case = Case.objects.get()
    assert close(case.due_at, timedelta(hours=24))
    now = database_now().timestamp()
    assert all(abs(now - moment) < CLOSE.total_seconds() for moment in platform.times)
    assert all(close(parse_datetime(notice.document["timestamp"])) for notice in Notice.objects.all())


def test_an_expired_suspension_is_over_by_the_databases_clock(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (503, b"")
    case_id = decided(client_app, {"action": "suspend_author", "params": {"days": 1}})
    for off, status in ((timedelta(minutes=30), "planned"), (timedelta(minutes=-30), "expired")):
        Order.objects.update(expires_at=database_now() + off, due_at=database_now(), published_until=None)
        shown = client_app.get("effects/", author_id="author-1").json()["results"]
        assert bool(shown) is (status == "planned")
        work()
        assert client_app.statuses(case_id) == [("suspend_author", status)]


def test_an_order_is_given_up_after_72_hours_of_the_database(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (503, b"")
    case_id = decided(client_app, "remove_content")
    for hours, status in ((71.5, "planned"), (72.5, "failed")):
        Order.objects.update(
            first_tried_at=database_now() - timedelta(hours=hours), due_at=database_now(), published_until=None
        )
        work()
        assert client_app.statuses(case_id) == [("remove_content", status)]
    delivery.replay(Order.objects.get().pk, by=Actor.of_user(sue(), Door.ADMIN))
    order = Order.objects.get()
    assert close(order.due_at)
    assert close(order.first_tried_at)


def test_a_lease_ends_by_the_databases_clock(database: None) -> None:
    puller = app()
    decided(puller, "remove_content")
    order = Order.objects.get()
    Order.objects.update(lease_until=database_now() + timedelta(minutes=30))
    assert puller.post(f"orders/{order.pk}/confirm/", {"result": "applied"}).status_code == 409
    Order.objects.update(lease_until=database_now() - timedelta(minutes=30))
    assert puller.post(f"orders/{order.pk}/confirm/", {"result": "applied"}).status_code == 200


def test_a_new_case_has_its_time(client_app: App) -> None:
    client_app.start()
    assert close(Case.objects.get().due_at, timedelta(hours=24))


def test_the_window_of_an_appeal_ends_by_the_databases_clock(client_app: App) -> None:
    case_id = decided(client_app, "remove_content")
    appeal = {"appellant_id": "author-1", "statement": "No."}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE moderation_decision SET decided_at = now() - interval '184 days 30 minutes'")
    assert client_app.post(f"cases/{case_id}/appeals/", appeal).status_code == 409
    with connection.cursor() as cursor:
        cursor.execute("UPDATE moderation_decision SET decided_at = now() - interval '183 days 23 hours 30 minutes'")
    assert client_app.post(f"cases/{case_id}/appeals/", appeal).status_code == 201
    work()
    assert client_app.decide(case_id, by="Ben", outcome="no_violation", reason="Yes.").status_code == 202
    work()
    assert close(Appeal.objects.get().closed_at)


def test_an_old_secret_signs_until_its_end_by_the_databases_clock(client_app: App, platform: Platform) -> None:
    clients.rotate_secret(client_app.client.pk, by=Actor.operator(), overlap=timedelta(minutes=30))
    assert webhooks.ping(Client.objects.get()).result
    client = Client.objects.get()
    for left, signatures in ((30, 2), (-30, 1)):
        client.old_secret_until = database_now() + timedelta(minutes=left)
        seen: list[str] = []
        sign = webhooks.signing.sign

        def signed(secrets: Any, *rest: Any, seen: list[str] = seen, sign: Any = sign) -> Any:
            seen.extend(secrets)
            return sign(secrets, *rest)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(webhooks.signing, "sign", signed)
            webhooks.post(client, uuid.uuid4(), {"type": "ping"})
        assert len(seen) == signatures


def test_that_a_key_was_used_is_kept_to_the_minute(client_app: App) -> None:
    client_app.start()
    assert close(ApiKey.objects.get().last_used_at)
    ApiKey.objects.update(last_used_at=database_now() - timedelta(minutes=2))
    client_app.start()
    assert close(ApiKey.objects.get().last_used_at)
    last = ApiKey.objects.get().last_used_at
    client_app.start()
    assert ApiKey.objects.get().last_used_at == last
