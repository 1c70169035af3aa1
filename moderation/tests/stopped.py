"""Workers that stand still with an order in hand, played by taking it and posting it late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from moderation.models import Order
from moderation.services.orders import delivery, webhooks
from moderation.services.post import outbox
from moderation.tests.people import WORK, App, work


def days(number: int) -> dict[str, Any]:
    return {"action": "suspend_author", "params": {"days": number}}


def decided(client_app: App, *actions: Any, by: str = "Ana", case_id: str = "", **fields: Any) -> str:
    """A case about author-1, decided; its orders are planned and not delivered."""
    if not case_id:
        case_id = client_app.start(**fields)
        work()
    answer = client_app.decide(case_id, *actions, by=by, reason="Rude.")
    assert answer.status_code == 202, answer.content
    for offer in outbox.claim(starts_at_once=8):
        if offer.kind == "resume":
            WORK[offer.kind](offer.id)
    return case_id


def taken(case_id: str, **which: Any) -> Order:
    """An order that a worker has in hand, which then stands still until its lease is over."""
    order = delivery.take(Order.objects.get(case_id=case_id, **which).pk)
    assert order is not None
    return order


def let_leases_run_out() -> None:
    Order.objects.filter(lease_until__gt=Now()).update(lease_until=Now())
    Order.objects.update(published_until=None, due_at=Now())


def rolled_back(client_app: App, case_id: str) -> None:
    assert client_app.roll_back(case_id).status_code == 202
    work()
    let_leases_run_out()
    work()


def lands(order: Order) -> None:
    """The worker goes on, past the last look at its lease: the order is posted, and what came of it is recorded."""
    delivery.record(order, webhooks.post(order.client, order.pk, order.notice.document))


# --- two at once


def in_a_thread(call: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Not pg_stat_activity: within a transaction that says the same for ever.
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
