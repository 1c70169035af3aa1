"""One client's notices flow: writing one wakes the relay, and a delivery takes the next along."""

from __future__ import annotations

import time

import pytest
from django.db import transaction
from django.db.models import Max

from moderation.models import Attempt, Client, Notice
from moderation.services.orders import announcements, notices
from moderation.services.post import outbox
from moderation.tests.people import App, until
from moderation.tests.platform import Platform
from queueing.tests.processes import House

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")
NOTICES = 300
LEAST_A_SECOND = 20
"""On two cores that others keep busy; a poll of four a second with two out at most gives 7.8."""


@pytest.mark.parametrize("ending", ["embedded", "rabbitmq"])
def test_a_clients_notices_leave_as_fast_as_its_endpoint_takes_them(
    ending: str, client_app: App, platform: Platform, request: pytest.FixtureRequest
) -> None:
    home: House = request.getfixturevalue("embedded_house" if ending == "embedded" else "broker_house")
    home.embedded() if ending == "embedded" else home.worker()
    announcements.ping(client_app.client)
    until(lambda: len(platform.notices), lambda count: count == 1)
    with transaction.atomic():
        for _ in range(NOTICES):
            announcements.ping(client_app.client)
    began = time.monotonic()
    until(lambda: len(platform.notices), lambda count: count == NOTICES + 1, 120)
    rate = NOTICES / (time.monotonic() - began)
    print(f"{ending}: {rate:.0f} notices a second")  # noqa: T201 - the figure for the reader of -s
    until(lambda: Notice.objects.waiting().count(), lambda count: count == 0)
    assert Notice.objects.aggregate(most=Max("attempts"))["most"] == 1
    assert Attempt.objects.count() == NOTICES + 1
    assert rate > LEAST_A_SECOND


def test_a_turn_ends_so_that_orders_and_other_clients_have_theirs(client_app: App, platform: Platform) -> None:
    for _ in range(500):
        announcements.ping(client_app.client)
    (offer, other) = outbox.claim(starts_at_once=8)
    began = time.monotonic()
    notices.deliver(offer.id)
    assert time.monotonic() - began < notices.TURN_SECONDS + 5
    told = len(platform.notices)
    assert 1 < told < 500
    assert Notice.objects.waiting().filter(lease_until__isnull=False).count() == 0
    assert str(other.id) not in {document.get("id") for document in platform.notices}
    assert Notice.objects.get(pk=other.id).delivered_at is None, "what is published is another thread's"


def test_a_turn_ends_at_the_first_failure(client_app: App, platform: Platform) -> None:
    for _ in range(20):
        announcements.ping(client_app.client)
    platform.behave = lambda document: (500, b"") if len(platform.notices) >= 5 else (200, b"")
    offer, _ = outbox.claim(starts_at_once=8)
    notices.deliver(offer.id)
    assert len(platform.notices) == 5
    assert Client.objects.get().failing_since is not None
    assert len(outbox.claim(starts_at_once=8)) == 0, "one that fails has one out, and the other one is"
