"""RabbitMQ or PostgreSQL goes away for a while: what was accepted is not lost, and the work goes on."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from moderation.models import Case
from moderation.tests.people import RUDE, App, app, until
from moderation.tests.platform import Platform
from queueing.tests.deliveries import expire_leases, told, wait_for_all
from queueing.tests.own_postgres import OwnPostgres
from queueing.tests.processes import House, empty_lanes, house
from queueing.tests.rabbit import Node
from queueing.tests.wire import Answer, Wire

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes", "queueing.tests.own_postgres")


def test_while_the_broker_is_stopped_everything_is_accepted_and_carried_out_when_it_is_back(
    client_app: App, broker_house: House, broker: Node, platform: Platform
) -> None:
    worker, web = broker_house.worker(), broker_house.web()
    wire = Wire(web.port, client_app.api_key)
    before = wire.start().body["id"]
    wait_for_all([before], "pending_review")

    broker.stop()
    answers = [wire.start() for _ in range(20)]
    decide = {"outcome": "violation", "actions": ["remove_content"], "decided_by": "Ana", "reason": "Rude."}
    answers.append(wire.post(f"cases/{before}/resume/", decide))
    assert [answer.status for answer in answers] == [202] * 21
    assert wire.get(f"cases/{before}/").body["status"] == "enforcing"

    broker.start()
    wait_for_all([answer.body["id"] for answer in answers[:-1]], "pending_review")
    wait_for_all([before], "completed")
    assert told(platform) == ["remove_content"]
    assert worker.is_alive()


def test_a_broker_killed_while_500_cases_are_accepted_loses_none_of_them(
    client_app: App, broker_house: House, broker: Node
) -> None:
    worker, web = broker_house.worker(), broker_house.web()
    wire = Wire(web.port, client_app.api_key)
    accepted: list[str] = []

    def start(number: int) -> int:
        answer = wire.start(f"{RUDE} {number}")
        accepted.append(answer.body.get("id", ""))
        return answer.status

    with ThreadPoolExecutor(4) as pool:
        statuses = pool.map(start, range(500))
        until(lambda: len(accepted), lambda count: count >= 150)
        broker.kill()
        at_the_kill = len(accepted)
        assert Counter(statuses) == {202: 500}
    assert at_the_kill < 400, "too late: nearly all were accepted before the kill"
    broker.start()
    expire_leases()
    wait_for_all(accepted, "pending_review", seconds=90)
    assert len(set(accepted)) == Case.objects.count() == 500
    assert worker.is_alive()


def test_a_restart_of_the_database_costs_a_client_some_503_and_no_case(
    own_postgres: OwnPostgres, broker: Node, platform: Platform
) -> None:
    with own_postgres.in_use(), house(own_postgres.url, broker.url) as home:
        client = app(webhook_url=platform.url)
        platform.secret = client.secret
        web, worker = home.web(), home.worker()
        wire = Wire(web.port, client.api_key)
        answers: list[Answer] = []
        enough = threading.Event()

        def keep_starting(number: int) -> None:
            while not enough.is_set():
                key = str(uuid.uuid4())
                while not enough.is_set():
                    answer = wire.start(key=key, content_id=key, author_id=key)
                    answers.append(answer)
                    if answer.status == 202:
                        break

        with ThreadPoolExecutor(3) as pool:
            for number in range(3):
                pool.submit(keep_starting, number)
            try:
                until(lambda: len(answers), lambda count: count >= 60)
                own_postgres.restart_at_once()
                connection.close()
                back = len(answers)
                until(lambda: len(answers), lambda count: count >= back + 60)
            finally:
                enough.set()

        assert {answer.status for answer in answers} <= {202, 503}
        assert {answer.headers.get("retry-after") for answer in answers if answer.status == 503} == {"5"}
        accepted = {answer.body["id"] for answer in answers if answer.status == 202}
        expire_leases()  # of what was in hand just then; test_kills waits one out
        wait_for_all(list(accepted), "pending_review")
        assert Case.objects.count() == len(accepted)
        assert worker.is_alive()
        assert web.is_alive()
    empty_lanes(broker)
