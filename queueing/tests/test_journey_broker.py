"""The journey of a case, carried by other processes: a worker behind RabbitMQ, or the embedded ending."""

from __future__ import annotations

import pytest
from kombu import Connection

from moderation.models import Run
from moderation.tests.people import App, until
from moderation.tests.platform import Platform
from queueing.celery import DEAD, LANES
from queueing.celery import app as broker_app
from queueing.tests.deliveries import expire_leases, repeated, told, wait_for_all
from queueing.tests.processes import House
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
    assert told(platform) == ["remove_content", "suspend_author", "warn_author"]

    assert client_app.roll_back(case_id).status_code == 202
    case = client_app.wait_for(case_id, "pending_review")
    assert (case["round"], case["decision"]) == (2, None)
    assert client_app.statuses(case_id) == [
        ("remove_content", "reversed"),
        ("suspend_author", "reversed"),
        ("warn_author", "irreversible"),
    ]
    assert told(platform)[3:] == ["unsuspend_author", "restore_content"]

    assert client_app.decide(case_id, outcome="no_violation", by="Ben").status_code == 202
    case = client_app.wait_for(case_id, "completed")
    assert (case["outcome"], case["round"]) == ("no_violation", 2)
    assert repeated(platform) == []


def test_the_lanes_and_the_dead_letter_queue_are_quorum_queues(client_app: App, broker_house: House) -> None:
    broker_house.worker()
    with Connection(broker_house.broker_url) as connected:
        for name in [*(f"guardian.{lane}" for lane in LANES), DEAD.name]:
            with connected.channel() as channel:
                channel.queue_declare(name, passive=True)
            # Declared again as something else, RabbitMQ says what it is.
            like = DEAD if name == DEAD.name else broker_app.amqp.queues[name]
            arguments = {**like.queue_arguments, "x-queue-type": "classic"}
            with connected.channel() as channel, pytest.raises(connected.channel_errors, match="current is 'quorum'"):
                channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)


def test_two_workers_of_one_machine_share_the_work(client_app: App, broker_house: House) -> None:
    workers = [broker_house.worker(wait=False) for _ in range(2)]
    for worker in workers:
        broker_house.wait_for_worker(worker)
    ids = [client_app.start(author_id=f"author-{number}") for number in range(12)]
    wait_for_all(ids, "pending_review")
    assert all(worker.is_alive() for worker in workers)
    for worker in workers:
        worker.stop()


def test_a_message_that_kills_its_worker_too_often_is_put_aside_and_its_case_goes_on(
    client_app: App, broker_house: House, broker: Node, platform: Platform
) -> None:
    first = broker_house.worker()
    case_id = client_app.start()
    client_app.wait_for(case_id, "pending_review")
    first.stop()
    assert client_app.decide(case_id, "remove_content").status_code == 202
    for _ in range(4):  # the first run, and the three that the queue's delivery limit allows
        broker_house.worker(fault="resume.orders_planned").wait_until_dead()
    until(lambda: _dead_letters(broker), lambda count: count == 1)
    assert client_app.case(case_id)["status"] == "enforcing"

    broker_house.worker()
    expire_leases()
    client_app.wait_for(case_id, "completed")
    assert told(platform) == ["remove_content"]
    assert repeated(platform) == []
    assert _dead_letters(broker) == 1


def test_an_analysis_that_kills_every_worker_reaches_a_human_without_an_assessment(
    client_app: App, embedded_house: House
) -> None:
    case_id = client_app.start()
    for _ in range(4):
        embedded_house.embedded(fault="analysis.before_assessment").wait_until_dead()
        assert client_app.case(case_id)["status"] == "pending_analysis"
    embedded_house.embedded(fault="analysis.before_assessment")
    case = client_app.wait_for(case_id, "pending_review")
    assert case["assessment"] is None
    assert "tried 4 times" in Run.objects.get(case_id=case_id).failure


def _dead_letters(broker: Node) -> int:
    with Connection(broker.url) as connected, connected.channel() as channel:
        return channel.queue_declare(DEAD.name, passive=True).message_count
