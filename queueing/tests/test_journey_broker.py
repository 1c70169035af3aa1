"""The journey of a case, carried by other processes: a worker behind RabbitMQ, or the embedded ending."""

from __future__ import annotations

import pytest
from kombu import Connection

from moderation.models import Case, Run
from moderation.tests.people import App, until
from moderation.tests.platform import Platform
from queueing.celery import DEAD, LANES
from queueing.tests.processes import House, expire_leases
from queueing.tests.rabbit import Node

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")


@pytest.fixture(params=["broker", "embedded"])
def at_work(request: pytest.FixtureRequest) -> House:
    """Somebody does the work: a worker process behind RabbitMQ, or a process with the embedded ending."""
    house: House = request.getfixturevalue(f"{request.param}_house")
    house.worker() if request.param == "broker" else house.embedded()
    return house


def test_a_case_goes_all_the_way_and_back_and_through_a_second_review(
    client_app: App, at_work: House, platform: Platform
) -> None:
    case_id = client_app.start()
    case = client_app.wait_for(case_id, "pending_review")
    assert (case["round"], case["assessment"]["violation"]) == (1, True)

    assert client_app.decide(case_id, "remove_content", "suspend_author", "warn_author").status_code == 202
    assert client_app.wait_for(case_id, "completed")["outcome"] == "violation"
    assert platform.actions == ["remove_content", "suspend_author", "warn_author"]

    assert client_app.roll_back(case_id).status_code == 202
    case = client_app.wait_for(case_id, "pending_review")
    assert (case["round"], case["decision"]) == (2, None)
    assert client_app.statuses(case_id) == [
        ("remove_content", "reversed"),
        ("suspend_author", "reversed"),
        ("warn_author", "irreversible"),
    ]
    assert platform.actions[3:] == ["unsuspend_author", "restore_content"]

    assert client_app.decide(case_id, outcome="no_violation", by="Ben").status_code == 202
    case = client_app.wait_for(case_id, "completed")
    assert (case["outcome"], case["round"]) == ("no_violation", 2)
    assert [count for count in platform.tries().values() if count != 1] == []
