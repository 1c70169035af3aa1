"""A try that ends after its order was overtaken (contract section 5): what it may have done at the client's is put
right. The stopped worker is played by taking an order and posting it late; queueing/tests stops real ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from moderation.models import Attempt, Case, Client, Event, Order, Run
from moderation.models.work import Taken
from moderation.services.orders import closing, delivery, webhooks
from moderation.services.orders.webhooks import Reply
from moderation.services.post import outbox
from moderation.services.story import legs
from moderation.states import OrderStatus
from moderation.tests.moderators import Moderator
from moderation.tests.people import WORK, App, app, sue, until, work
from moderation.tests.platform import Obedient
from moderation.tests.stopped import (
    days,
    decided,
    in_a_thread,
    lands,
    let_leases_run_out,
    rolled_back,
    taken,
    waits_for_a_lock,
)

LOST = Reply(None, "The connection broke.")

pytestmark = pytest.mark.usefixtures("orders_are_told")


@pytest.fixture
def platform() -> Iterator[Obedient]:
    """In place of the usual one: it does what it is told."""
    running = Obedient()
    yield running
    running.close()


def landed_late(client_app: App, *actions: Any) -> tuple[str, Order]:
    """A case whose apply arrived after its reversal was confirmed."""
    case_id = decided(client_app, *(actions or ("remove_content",)))
    order = taken(case_id)
    rolled_back(client_app, case_id)
    assert client_app.statuses(case_id)[0][1] == "reversed"
    lands(order)
    return case_id, order


# --- an apply ----------------------------------------------------------------------------------------------------


def test_a_worker_whose_lease_is_over_sends_nothing(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    assert order.taken.ends - time.monotonic() <= webhooks.LEASE.total_seconds()
    late = Taken(order.taken.at, order.taken.asked - webhooks.LEASE.total_seconds(), webhooks.LEASE)
    reply = webhooks.post(order.client, order.pk, order.notice.document, late)
    assert (reply.result, reply.sent, platform.received) == (None, False, [])


def test_a_delivery_that_lost_its_lease_leaves_the_order_to_the_next_and_blames_nobody(
    client_app: App, platform: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = decided(client_app, "remove_content")
    monkeypatch.setattr(webhooks, "LEASE", timedelta(0))
    delivery.deliver(Order.objects.get().pk)
    assert platform.received == []
    assert not Attempt.objects.exclude(order=None).exists()
    assert Client.objects.get().failing_since is None, "its endpoint was never asked"
    monkeypatch.undo()
    let_leases_run_out()
    work()
    assert client_app.statuses(case_id) == [("remove_content", "applied")]


def test_an_apply_that_lands_after_its_reversal_is_reversed_anew(client_app: App, platform: Obedient) -> None:
    case_id, order = landed_late(client_app)
    assert platform.in_force, "it has landed"
    told = Event.objects.get(case_id=case_id, type="order.applied")
    assert f"order_answer:{order.pk}" in told.digests, "the late word is vouched for"
    first, second = Order.objects.filter(undoes=order).order_by("sequence")
    assert (first.sequence, second.sequence, second.status) == (order.sequence, order.sequence + 1, "planned")
    assert client_app.statuses(case_id) == [("remove_content", "reversing")]
    work()
    assert platform.actions == ["restore_content", "remove_content", "restore_content"]
    assert platform.in_force == {}
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]
    assert Event.objects.filter(case_id=case_id, type="order.landed_late").count() == 1
    page = Moderator(sue()).look(case_id).content.decode()
    assert page.count("Restore the content") >= 2, "both reversals are shown"


def test_an_apply_without_an_answer_may_have_landed(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    rolled_back(client_app, case_id)
    platform.loses = {"remove_content"}
    lands(order)
    assert platform.in_force
    work()
    assert platform.in_force == {}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(OrderStatus.REFUSED, "No."),
        Reply(OrderStatus.ALREADY, "overtaken"),
        Reply(None, "It is at 10.0.0.7, which is not public.", sent=False),
    ],
    ids=["refused", "overtaken", "never sent"],
)
def test_what_was_not_obeyed_needs_no_new_reversal(client_app: App, reply: Reply) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    rolled_back(client_app, case_id)
    delivery.record(order, reply)
    assert Order.objects.filter(undoes=order).count() == 1
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


def test_a_client_that_protects_itself_does_nothing_and_is_told_nothing_more(
    client_app: App, platform: Obedient
) -> None:
    platform.protects = True
    landed_late(client_app)
    assert platform.in_force == {}
    work()
    assert platform.actions == ["restore_content", "remove_content"]


def test_the_same_order_posted_late_by_a_second_worker_changes_nothing(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    slow = taken(case_id)
    let_leases_run_out()
    work()
    rolled_back(client_app, case_id)
    lands(slow)  # under the id that the platform knows
    work()
    assert platform.actions == ["remove_content", "restore_content"]
    assert (platform.in_force, Order.objects.count()) == ({}, 2)


def test_an_answer_that_was_lost_before_the_rollback_needs_one_reversal(client_app: App, platform: Obedient) -> None:
    platform.loses = {"remove_content"}
    case_id = decided(client_app, "remove_content")
    work()
    assert platform.in_force
    rolled_back(client_app, case_id)
    assert platform.in_force == {}
    assert set(platform.tries()) == {str(pk) for pk in Order.objects.values_list("pk", flat=True)}
    assert Order.objects.count() == 2


def test_a_reversal_that_keeps_failing_gives_way_to_a_new_one(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    platform.loses = {"restore_content"}  # obeyed, and Guardian does not know
    rolled_back(client_app, case_id)
    lands(order)
    assert platform.in_force
    old, new = Order.objects.filter(undoes=order).order_by("sequence")
    assert (old.status, new.status) == ("cancelled", "planned")
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=old.pk).update(status=OrderStatus.PLANNED)  # never two in line
    platform.loses = set()
    let_leases_run_out()
    work()
    assert platform.in_force == {}
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


def test_a_reversal_that_was_not_tried_yet_is_enough(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    client_app.roll_back(case_id)
    work()
    delivery.record(order, LOST)
    assert Order.objects.get(undoes=order).attempts == 0, "without an answer it may still be on its way"
    work()
    assert platform.actions == []
    let_leases_run_out()
    work()
    assert platform.actions == ["restore_content"]


@pytest.mark.parametrize("end", ["no_violation", "withdrawn", "label_content"])
def test_a_case_that_has_ended_meanwhile_gets_its_reversal_and_stays_ended(
    client_app: App, platform: Obedient, end: str
) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    rolled_back(client_app, case_id)
    if end == "withdrawn":
        client_app.post(f"cases/{case_id}/withdraw/", {"reason": "Deleted."})
    elif end == "no_violation":
        client_app.decide(case_id, by="Ben", outcome=end, reason="A quotation.")
    else:
        client_app.decide(case_id, end, by="Ben", reason="A label will do.")
    work()
    assert client_app.case(case_id)["status"] == "completed"
    version = client_app.case(case_id)["version"]
    lands(order)
    assert client_app.statuses(case_id)[0] == ("remove_content", "reversing")
    work()
    assert client_app.statuses(case_id)[0] == ("remove_content", "reversed")
    assert {action for _, action in platform.in_force} == ({end} & {"label_content"})
    case = client_app.case(case_id)
    assert (case["status"], case["version"]) == ("completed", version)


def test_a_case_that_is_just_enforced_or_reopened_waits_for_the_new_reversal(
    client_app: App, platform: Obedient
) -> None:
    case_id, _ = landed_late(client_app)
    decided(client_app, "label_content", by="Ben", case_id=case_id)
    platform.fails = {"restore_content"}
    work()
    assert client_app.case(case_id)["status"] == "enforcing"
    platform.fails = set()
    let_leases_run_out()
    work()
    assert client_app.case(case_id)["status"] == "completed"
    assert {action for _, action in platform.in_force} == {"label_content"}


def test_what_the_second_decision_wants_again_stays(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    order = taken(case_id)
    rolled_back(client_app, case_id)
    decided(client_app, "remove_content", by="Ben", case_id=case_id)
    work()
    lands(order)
    work()
    assert platform.in_force
    assert "restore_content" not in platform.actions[2:]
    assert client_app.statuses(case_id) == [("remove_content", "reversed")] + [("remove_content", "applied")] * 1


# --- a reversal --------------------------------------------------------------------------------------------------


def test_a_reversal_that_lands_after_a_later_apply_has_that_sent_again(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "remove_content")
    work()
    platform.fails = {"restore_content"}
    client_app.roll_back(case_id)
    (offer,) = [offer for offer in outbox.claim(starts_at_once=8) if offer.kind == "rollback"]
    WORK[offer.kind](offer.id)
    reversal = taken(case_id, direction="reverse")
    let_leases_run_out()
    work()
    Order.objects.filter(pk=reversal.pk).update(first_tried_at=Now() - webhooks.GIVE_UP_AFTER)
    let_leases_run_out()
    work()
    assert client_app.statuses(case_id) == [("remove_content", "failed")]
    decided(client_app, "remove_content", by="Ben", case_id=case_id)
    work()
    assert platform.in_force
    platform.fails = set()
    lands(reversal)
    assert platform.in_force == {}, "the late reversal has landed"
    work()
    assert platform.in_force, "a live decision wants it"
    assert platform.received[-1][1]["data"]["sequence"] > reversal.sequence


# --- suspensions -------------------------------------------------------------------------------------------------


def suspended_for(platform: Obedient) -> int | None:
    params = platform.in_force.get(("author-1", "suspend_author"))
    return params["days"] if params else None


def test_a_longer_suspension_that_lands_late_has_the_remaining_one_sent_again(
    client_app: App, platform: Obedient
) -> None:
    decided(client_app, days(7))
    work()
    longer = decided(client_app, days(30))
    order = taken(longer)
    rolled_back(client_app, longer)
    assert suspended_for(platform) == 7
    lands(order)
    assert suspended_for(platform) == 30
    work()
    assert suspended_for(platform) == 7


def test_a_copy_that_is_cancelled_in_the_air_is_waited_for_and_put_right(client_app: App, platform: Obedient) -> None:
    shorter = decided(client_app, days(7))
    work()
    longer = decided(client_app, days(30))
    work()
    client_app.roll_back(longer)
    for offer in outbox.claim(starts_at_once=8):
        WORK[offer.kind](offer.id)
    copy = taken(longer, resends__isnull=False)
    client_app.roll_back(shorter)
    work()
    assert "unsuspend_author" not in platform.actions, "the copy could still arrive after it"
    let_leases_run_out()
    work()
    assert suspended_for(platform) is None
    lands(copy)
    assert suspended_for(platform) == 7
    work()
    assert suspended_for(platform) is None
    assert Order.objects.get(pk=copy.pk).status == OrderStatus.REVERSED
    closing.settle_overlooked()
    assert [client_app.case(case_id)["status"] for case_id in (shorter, longer)] == ["pending_review"] * 2


def test_a_copy_that_is_just_being_taken_is_waited_for(client_app: App, platform: Obedient) -> None:
    shorter = decided(client_app, days(7))
    work()
    longer = decided(client_app, days(30))
    work()
    client_app.roll_back(longer)
    for offer in outbox.claim(starts_at_once=8):
        WORK[offer.kind](offer.id)
    client_app.roll_back(shorter)
    run = Run.objects.get(case_id=shorter, kind="rollback")
    with transaction.atomic():
        copy = taken(longer, resends__isnull=False)  # and that is not committed yet
        leg = in_a_thread(lambda: legs.roll_back(run.pk))
        until(waits_for_a_lock, bool)
    leg.join(20)
    copy.refresh_from_db()
    assert copy.status == OrderStatus.CANCELLED
    assert copy.lease_until is not None
    assert Order.objects.get(case_id=shorter, direction="reverse").due_at >= copy.lease_until


def test_a_warning_that_lands_late_cannot_be_taken_back(client_app: App, platform: Obedient) -> None:
    case_id = decided(client_app, "warn_author")
    order = taken(case_id)
    rolled_back(client_app, case_id)
    lands(order)
    work()
    assert client_app.statuses(case_id) == [("warn_author", "irreversible")]
    assert platform.actions == ["warn_author"]


# --- pull mode ---------------------------------------------------------------------------------------------------


def test_a_client_that_confirms_what_was_reversed_meanwhile_is_told_to_reverse_it_again(database: None) -> None:
    puller = app()
    case_id = decided(puller, "remove_content")
    (fetched,) = puller.get("orders/").json()["results"]
    rolled_back(puller, case_id)
    (reversal,) = puller.get("orders/").json()["results"]
    puller.post(f"orders/{reversal['id']}/confirm/", {"result": "already"})
    assert puller.post(f"orders/{fetched['id']}/confirm/", {"result": "applied"}).status_code == 200
    (again,) = puller.get("orders/").json()["results"]
    assert again["data"]["action"] == "restore_content"
    assert again["data"]["sequence"] > reversal["data"]["sequence"]
    puller.post(f"orders/{fetched['id']}/confirm/", {"result": "applied"})
    assert Order.objects.count() == 3, "a second confirmation changes nothing"
    assert Case.objects.get().status == "pending_review"
