"""Real processes are stopped (SIGSTOP) with a delivery in hand and go on after the order was taken back: the client
ends with what is in force, whether it protects itself or not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models.functions import Now

from moderation.models import Attempt, Client, Order
from moderation.tests.people import App, until, work
from moderation.tests.platform import Answer, Obedient, Platform
from queueing.tests.processes import House, Process

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")

LEASE_SECONDS = 3


@pytest.fixture
def platform() -> Iterator[Platform]:
    running = Obedient()
    yield running
    running.close()


def ordered(client_app: App) -> tuple[str, Order]:
    """A decided case whose order is due and in nobody's hands: the relay leaves an inactive client's alone."""
    case_id = client_app.start()
    work()
    assert client_app.decide(case_id, "remove_content", reason="Rude.").status_code == 202
    Client.objects.update(is_active=False)
    work()
    Client.objects.update(is_active=True)
    return case_id, Order.objects.get(case_id=case_id)


def taken_back(client_app: App, case_id: str) -> None:
    """While one worker stands still, the others wait its lease out and reverse what it has in hand."""
    assert client_app.roll_back(case_id).status_code == 202
    work()
    until(lambda: Order.objects.filter(lease_until__gt=Now()).exists(), lambda held: not held)
    Order.objects.update(published_until=None)
    until(lambda: (work(), client_app.statuses(case_id))[1], lambda said: said == [("remove_content", "reversed")])


def goes_on(worker: Process) -> None:
    worker.signal(signal.SIGCONT)
    assert worker.popen.wait(30) == 0, worker.last_words()


def test_a_worker_that_was_stopped_before_it_sent_anything_sends_nothing(
    client_app: App, embedded_house: House, platform: Obedient
) -> None:
    case_id, order = ordered(client_app)
    worker = embedded_house.deliverer(order.pk, lease_seconds=LEASE_SECONDS, fault="deliver.taken:stop")
    until(worker.is_stopped, bool)
    taken_back(client_app, case_id)
    goes_on(worker)
    assert platform.actions == ["restore_content"]
    assert "nothing was sent" in worker.last_words()
    assert not Attempt.objects.filter(order=order).exists()
    assert client_app.get("effects/", content_id=order.case.content_id).json()["results"] == []


@pytest.mark.parametrize("protects", [False, True], ids=["obeys all", "protects itself"])
def test_a_worker_that_was_stopped_while_it_sent_leaves_nothing_in_force(
    protects: bool, client_app: App, embedded_house: House, platform: Obedient
) -> None:
    """The platform holds the request: it has come, and is carried out only after the reversal."""
    platform.protects = protects
    arrived, go_on = threading.Event(), threading.Event()

    def hold(document: dict[str, Any]) -> Answer:
        if document["data"].get("action") == "remove_content":
            arrived.set()
            assert go_on.wait(60)
        return platform.obey(document)

    platform.behave = hold
    case_id, order = ordered(client_app)
    worker = embedded_house.deliverer(order.pk, lease_seconds=LEASE_SECONDS)
    assert arrived.wait(60), worker.last_words()
    worker.signal(signal.SIGSTOP)
    until(worker.is_stopped, bool)
    taken_back(client_app, case_id)
    assert platform.in_force == {}
    go_on.set()
    until(lambda: bool(platform.in_force), lambda landed: landed is not protects)
    goes_on(worker)
    work()
    assert platform.in_force == {}
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]
    assert client_app.case(case_id)["status"] == "pending_review"
