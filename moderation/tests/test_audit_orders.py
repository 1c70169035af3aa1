"""The history tells where every order stands, whoever has moved it; verify_audit names one that stands elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from moderation.models import Event, Order
from moderation.rights import Actor
from moderation.services import chores
from moderation.services.orders import delivery
from moderation.services.post import outbox
from moderation.services.record import audit, erasure
from moderation.states import IN_LINE, OrderStatus
from moderation.tests.people import WORK, App, until, work
from moderation.tests.platform import Platform
from moderation.tests.stopped import days, decided, in_a_thread, let_leases_run_out, waits_for_a_lock
from moderation.tests.test_audit import as_superuser, complaint, seal_all, walked

__all__ = ["walked"]

pytestmark = pytest.mark.usefixtures("orders_are_told")


def told_of(order: Order) -> list[str]:
    """The types of the events that tell where `order` stands."""
    events = Event.objects.filter(case_id=order.case_id, digests__has_key=f"order_state:{order.pk}").order_by("pk")
    return list(events.values_list("type", flat=True))


def holds() -> bool:
    seal_all()
    return audit.verify() == (Event.objects.count(), None)


def over(case_id: str) -> None:
    Order.objects.filter(case_id=case_id).update(expires_at=Now() - timedelta(minutes=1), due_at=Now())


def test_no_order_can_be_put_elsewhere(walked: list[str]) -> None:
    missed, seen = [], set()
    for order in Order.objects.all():
        if (order.status, order.released_at is None) in seen:
            continue
        seen.add((order.status, order.released_at is None))
        elsewhere = [
            f"status = '{status.value}'"
            for status in OrderStatus
            if status != order.status and not {status, order.status} <= IN_LINE
        ]
        for change in [*elsewhere, "released_at = CASE WHEN released_at IS NULL THEN now() END"]:
            with transaction.atomic():
                as_superuser(f"UPDATE moderation_order SET {change} WHERE id = '{order.pk}'")
                if f"the order state {order.pk} it tells of is not what it was" not in complaint():
                    missed.append((order.status, change))
                transaction.set_rollback(True)
    assert missed == []
    assert {status for status, _ in seen} >= {"applied", "already", "refused", "failed", "reversed"}
    assert holds()


def test_what_falls_with_another_cases_reversal_is_told_in_its_own_case(client_app: App, platform: Platform) -> None:
    a, b = decided(client_app, "ban_author"), decided(client_app, "ban_author")
    for case_id in (a, b):
        work()
        client_app.roll_back(case_id)
    work()
    first, second = Order.objects.get(case_id=a), Order.objects.get(case_id=b, undoes=None)
    assert told_of(first) == ["order.planned", "order.applied", "order.reversals_planned", "order.reversed"]
    assert told_of(second) == ["order.planned", "order.applied", "order.reversals_planned", "order.applied"]
    assert Event.objects.get(type="order.reversed").data == {"order_id": str(first.pk), "action": "ban_author"}
    assert holds()


def test_a_copy_that_another_case_takes_out_of_the_line_is_told_in_its_own(client_app: App, platform: Platform) -> None:
    shorter, longer = decided(client_app, days(7)), decided(client_app, days(30))
    work()
    for case_id in (longer, shorter):
        client_app.roll_back(case_id)
        for offer in outbox.claim(starts_at_once=8):
            if offer.kind == "rollback":
                WORK[offer.kind](offer.id)
    copy = Order.objects.get(case_id=longer, resends__isnull=False)
    assert copy.status == OrderStatus.CANCELLED
    assert told_of(copy) == ["order.reversals_planned", "order.cancelled"]
    assert holds()
    let_leases_run_out()
    work()


def test_what_a_decision_lets_go_of_without_ordering_anything_is_told(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (200, b'{"result": "refused"}')
    case_id = decided(client_app, "remove_content")
    work()
    client_app.roll_back(case_id, keep_in_force=True)
    work()
    assert client_app.decide(case_id, outcome="no_violation", by="Zoe", reason="A joke.").status_code == 202
    work()
    order = Order.objects.get()
    assert (order.status, order.released_at is None) == (OrderStatus.REFUSED, False)
    assert told_of(order)[-1] == "order.reversals_planned"
    assert holds()


@pytest.mark.parametrize("how", ["by the job", "when it is taken"])
def test_the_end_of_a_suspension_is_told(client_app: App, platform: Platform, how: str) -> None:
    case_id = decided(client_app, days(7))
    if how == "by the job":
        work()
    over(case_id)
    if how == "by the job":
        assert (chores.end_expired_suspensions(), chores.end_expired_suspensions()) == (1, 0)
    else:
        assert delivery.take(Order.objects.get().pk) is None
    order = Order.objects.get()
    assert (order.status, told_of(order)[-1]) == (OrderStatus.EXPIRED, "order.expired")


def test_many_suspensions_end_in_several_runs(
    client_app: App, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "ENDED_AT_ONCE", 2)
    for number in range(3):
        decided(client_app, days(7), content_id=f"post-{number}", author_id=f"author-{number}")
    work()
    Order.objects.update(expires_at=Now())
    assert [chores.end_expired_suspensions() for _ in range(3)] == [2, 1, 0]


def test_an_erasure_waits_for_an_order_that_is_just_ending(client_app: App, platform: Platform) -> None:
    decided(client_app, days(7))
    work()
    order = Order.objects.get()
    with transaction.atomic():
        ended = Order.objects.filter(pk=order.pk).become(status=OrderStatus.EXPIRED, released_at=Now())
        erasing = in_a_thread(lambda: erasure.erase(order, by=Actor.operator()))
        until(waits_for_a_lock, bool)
        chores.note_orders("order.expired", ended)
    erasing.join(20)
    assert told_of(order)[-2:] == ["order.expired", "erased"]
    assert holds()


def test_what_is_changed_is_answered_as_it_is_now(client_app: App, platform: Platform) -> None:
    decided(client_app, "remove_content", "warn_author")
    changed = Order.objects.filter(action="remove_content").become(status=OrderStatus.FAILED, detail="100 %")
    assert [(row.action, row.status, row.detail) for row in changed] == [("remove_content", "failed", "100 %")]
    assert bytes(changed[0].salt) == bytes(Order.objects.get(pk=changed[0].pk).salt or b"")
    assert Order.objects.filter(pk__in=[]).become(status=OrderStatus.FAILED) == []
    Order.objects.update(status=OrderStatus.PLANNED)
