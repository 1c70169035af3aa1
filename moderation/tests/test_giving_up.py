"""Orders of a client that was deactivated: nothing waits for them for ever, and nothing is sent by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moderation.errors import IllegalMove
from moderation.models import Case, Client, Order
from moderation.rights import Actor
from moderation.services.orders import delivery, giving_up
from moderation.services.orders.webhooks import Reply
from moderation.services.post import outbox
from moderation.states import Door
from moderation.tests.people import WORK, App, sue, work
from moderation.tests.platform import Obedient
from moderation.tests.stopped import decided, taken

LOST = Reply(None, "The connection broke.")

pytestmark = pytest.mark.usefixtures("orders_are_told")


@pytest.fixture
def platform() -> Iterator[Obedient]:
    """In place of the usual one: it does what it is told."""
    running = Obedient()
    yield running
    running.close()


def test_a_deactivated_clients_orders_fail_and_its_cases_go_on(client_app: App, platform: Obedient) -> None:
    back = decided(client_app, "label_content")
    work()
    enforced = decided(client_app, "remove_content", "warn_author")
    in_hand = taken(enforced, action="remove_content")
    client_app.roll_back(back)
    Client.objects.update(is_active=False)
    for offer in outbox.claim(starts_at_once=8):
        WORK[offer.kind](offer.id)
    assert giving_up.give_up_for_the_inactive() == 2, "what is in the air is left alone"
    delivery.record(in_hand, LOST)
    assert giving_up.give_up_for_the_inactive() == 1
    assert giving_up.give_up_for_the_inactive() == 0
    assert dict(Case.objects.values_list("pk", "status")) == {
        Case.objects.get(pk=enforced).pk: "completed",
        Case.objects.get(pk=back).pk: "pending_review",
    }
    assert not Order.objects.exclude(status="failed").exists()
    assert "deactivated" in Order.objects.filter(case_id=enforced)[0].last_error
    with pytest.raises(IllegalMove) as refused:
        delivery.replay(Order.objects.filter(case_id=enforced)[0].pk, by=Actor.of_user(sue(), Door.ADMIN))
    assert refused.value.code == "inactive"
    Client.objects.update(is_active=True)
    work()
    assert len(platform.actions) == 1, "nothing is sent by itself"
    for order in Order.objects.filter(case_id=enforced).order_by("place"):
        delivery.replay(order.pk, by=Actor.of_user(sue(), Door.ADMIN))
    work()
    assert platform.actions[1:] == ["remove_content", "warn_author"]
