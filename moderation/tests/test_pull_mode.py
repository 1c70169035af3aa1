"""Pull mode: what a client sees it may carry out at once; what it never saw waits, and is said to wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from moderation.errors import NotAllowed, NotFound
from moderation.models import Case, Client, Order
from moderation.rights import Actor
from moderation.services.orders import delivery, giving_up, webhooks
from moderation.services.post import outbox
from moderation.services.story import legs
from moderation.states import Door, OrderStatus
from moderation.tests.moderators import Moderator
from moderation.tests.people import App, ana, app, enforced, sue, until, work
from moderation.tests.platform import Platform
from moderation.tests.stopped import in_a_thread, waits_for_a_lock

pytestmark = pytest.mark.usefixtures("orders_are_told")


@pytest.fixture
def puller(database: None) -> App:
    """A client app without a webhook."""
    return app()


def listed(puller: App) -> list[str]:
    """The actions it sees."""
    return [order["data"]["action"] for order in puller.get("orders/").json()["results"]]


# --- a rollback beside a listing ---------------------------------------------------------------------------------


def test_a_rollback_that_waits_for_a_listing_takes_back_what_was_listed(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    assert puller.roll_back(case_id).status_code == 202
    (offer,) = [offer for offer in outbox.claim(starts_at_once=8) if offer.kind == "rollback"]
    with transaction.atomic():
        assert len(delivery.hand_out(puller.client)) == 1  # and its transaction is still open
        leg = in_a_thread(lambda: legs.roll_back(offer.id))
        until(waits_for_a_lock, bool)
    leg.join(20)
    assert listed(puller) == ["restore_content"]


def test_a_listing_beside_a_rollback_shows_nothing_that_is_just_cancelled(
    puller: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = enforced(puller, "remove_content")
    assert puller.roll_back(case_id).status_code == 202
    (offer,) = [offer for offer in outbox.claim(starts_at_once=8) if offer.kind == "rollback"]
    with transaction.atomic():
        legs.roll_back(offer.id)  # and is not committed yet
        seen: list[Any] = []
        reader = in_a_thread(lambda: seen.append(delivery.hand_out(puller.client)))
        reader.join(20)
    assert seen == [[]]
    assert puller.statuses(case_id) == [("remove_content", "cancelled")]
    assert listed(puller) == []


def test_what_effects_told_is_reversed_although_it_was_never_sent(puller: App) -> None:
    case_id = enforced(puller, "remove_content", content_id="p")
    assert puller.get("effects/", content_id="p").json()["results"][0]["action"] == "remove_content"
    puller.roll_back(case_id)
    work()
    assert listed(puller) == ["restore_content"]


def test_a_list_that_was_seen_before_costs_one_statement(puller: App) -> None:
    for _ in range(3):
        enforced(puller, "remove_content")
    with CaptureQueriesContext(connection) as first:
        delivery.hand_out(puller.client)
    with CaptureQueriesContext(connection) as second:
        assert len(delivery.hand_out(puller.client)) == 3
    told = [[one for one in run if one["sql"] not in ("BEGIN", "COMMIT")] for run in (first, second)]
    assert [len(run) for run in told] == [3, 1]


# --- its 72 hours ------------------------------------------------------------------------------------------------


def test_what_was_listed_and_not_confirmed_for_72_hours_has_failed(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    assert listed(puller) == ["remove_content"]
    Order.objects.update(listed_at=Now() - webhooks.GIVE_UP_AFTER + timedelta(seconds=30))
    assert giving_up.give_up_unconfirmed() == 0
    Order.objects.update(listed_at=Now() - webhooks.GIVE_UP_AFTER)
    assert giving_up.give_up_unconfirmed() == 1
    assert puller.statuses(case_id) == [("remove_content", "failed")]
    assert puller.case(case_id)["status"] == "completed"
    assert giving_up.give_up_unconfirmed() == 0


def test_what_was_never_listed_waits_and_then_has_its_72_hours(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    Order.objects.update(due_at=Now() - timedelta(days=30), created_at=Now() - timedelta(days=30))
    assert giving_up.give_up_unconfirmed() == 0
    assert listed(puller) == ["remove_content"]
    assert giving_up.give_up_unconfirmed() == 0, "it was first seen just now"
    assert puller.case(case_id)["status"] == "enforcing"


def test_a_replayed_order_has_its_72_hours_anew(puller: App) -> None:
    enforced(puller, "remove_content")
    listed(puller)
    Order.objects.update(listed_at=Now() - webhooks.GIVE_UP_AFTER)
    giving_up.give_up_unconfirmed()
    delivery.replay(Order.objects.get().pk, by=Actor.of_user(sue(), Door.ADMIN))
    assert giving_up.give_up_unconfirmed() == 0
    assert listed(puller) == ["remove_content"]
    assert giving_up.give_up_unconfirmed() == 0


# --- it is said --------------------------------------------------------------------------------------------------


def test_the_case_page_and_the_supervisors_list_say_what_was_never_fetched(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    supervisor = Moderator(sue())
    assert "Waits for the client, which has not fetched it yet." in Moderator(ana()).look(case_id).content.decode()
    index = supervisor.browser.get("/admin/").content.decode()
    assert "Orders that no app has fetched" in index
    address = "/admin/moderation/order/?waiting=unfetched"
    assert address in index
    order_id = str(Order.objects.get().pk)
    assert order_id in supervisor.browser.get(address).content.decode()
    listed(puller)
    assert "The client has fetched it and not confirmed it yet." in Moderator(ana()).look(case_id).content.decode()
    assert order_id not in supervisor.browser.get(address).content.decode()


# --- a webhook address that comes and goes -----------------------------------------------------------------------


def test_an_address_set_later_delivers_what_was_listed_and_gives_it_72_hours(
    client_app: App, platform: Platform
) -> None:
    Client.objects.update(webhook_url="")
    case_id = enforced(client_app, "remove_content", "warn_author")
    assert listed(client_app) == ["remove_content"]
    Order.objects.update(listed_at=Now() - timedelta(hours=71), first_tried_at=Now() - timedelta(hours=71))
    platform.behave = lambda document: (500, b"")
    Client.objects.update(webhook_url=platform.url)
    work()
    order = Order.objects.get(action="remove_content")
    assert (order.attempts, order.status) == (1, "planned")
    assert giving_up.give_up_unconfirmed() == 0
    window = Order.objects.filter(pk=order.pk, first_tried_at__gt=Now() - timedelta(minutes=1))
    assert window.exists(), "the webhook's 72 hours began with its first try"
    platform.behave = lambda document: (200, b"")
    Order.objects.update(due_at=Now(), published_until=None)
    work()
    assert client_app.case(case_id)["status"] == "completed"
    assert platform.actions == ["remove_content", "warn_author"]


def test_without_its_address_a_client_sees_at_once_what_waited_for_the_next_try(
    client_app: App, platform: Platform
) -> None:
    platform.behave = lambda document: (500, b"")
    case_id = enforced(client_app, "remove_content")
    Order.objects.update(due_at=Now() + timedelta(hours=6), first_tried_at=Now() - timedelta(hours=71, minutes=59))
    assert listed(client_app) == [], "its next try is due in six hours"
    Client.objects.update(webhook_url="")
    assert giving_up.give_up_unconfirmed() == 0
    assert listed(client_app) == ["remove_content"]
    Order.objects.update(first_tried_at=Now() - timedelta(hours=73))
    assert giving_up.give_up_unconfirmed() == 0, "it was listed just now"
    order = Order.objects.get()
    client_app.post(f"orders/{order.pk}/confirm/", {"result": "applied"})
    assert Case.objects.get(pk=case_id).status == "completed"


@pytest.mark.parametrize("scopes", [[], ["cases:read"]])
def test_the_verb_itself_asks_whether_this_client_may_confirm(puller: App, scopes: list[str]) -> None:
    enforced(puller, "remove_content")
    order = Order.objects.get()
    said = {"result": OrderStatus.APPLIED, "detail": ""}
    with pytest.raises(NotAllowed):
        delivery.confirm_pulled(order.pk, by=Actor.of_client(puller.client, scopes), **said)
    with pytest.raises(NotFound):
        delivery.confirm_pulled(order.pk, by=Actor.of_client(app().client, ["cases:write"]), **said)
    order.refresh_from_db()
    assert order.status == OrderStatus.PLANNED
    by = Actor.of_client(puller.client, ["cases:write"])
    assert delivery.confirm_pulled(order.pk, by=by, **said).status == OrderStatus.APPLIED
