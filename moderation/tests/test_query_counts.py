"""What each step costs in statements and connections: fixed here, so that a query in a loop is seen at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import assessors, graph
from moderation.models import Case, Order, Run
from moderation.services import delivery, runs
from moderation.tests.people import App, until, work
from moderation.tests.platform import Platform
from queueing.embedded import THREADS, Embedded

QUERIES = {
    "start": 14,
    "start with an idempotency key": 19,
    "accept a decision": 19,
    "resume leg": 16,
    "deliver": 13,
    "accept a rollback": 13,
    "rollback leg": 17,
}
"""Statements on Django's connection: savepoints count, BEGIN and COMMIT do not. The agent's own few statements about
its thread go past Django on the same connection (agents/tests counts those). Two actions are decided and reversed."""

CASES = 50


def test_every_step_of_a_case_costs_a_fixed_number_of_queries(client_app: App, platform: Platform) -> None:
    assert _costs(client_app) == QUERIES


def test_the_number_of_queries_does_not_grow_with_what_there_is_already(client_app: App, platform: Platform) -> None:
    for number in range(10):  # ten cases that all suspend the author of the one that is counted
        case_id = client_app.start(author_id="author-1", report={"reporter_id": f"r-{number}", "reason": "Rude."})
        work()
        client_app.decide(case_id, "remove_content", "suspend_author")
    work()
    # Two more: the longest of the other suspensions is sent again, however many there are.
    assert _costs(client_app) == {**QUERIES, "rollback leg": QUERIES["rollback leg"] + 2}


def test_many_cases_open_no_connection_each_and_one_agent_serves_them_all(
    client_app: App, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    for module in (graph, assessors):
        monkeypatch.setattr(module, "build", _noting(module.build, built, module.__name__))
    runs.agent().close()
    runs._agent.cache_clear()
    opened: list[str] = []
    connect = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]

    def counted(cls: type, *args: Any, **kwargs: Any) -> Any:
        opened.append(cls.__name__)
        return connect(cls, *args, **kwargs)

    ending = Embedded()
    with patch.object(psycopg.Connection, "connect", classmethod(counted)):
        ending.start()
        try:
            _review_and_complete(client_app, 20)
            warm = len(opened)
            _review_and_complete(client_app, CASES)
        finally:
            ending.stop()
    assert warm > 0
    # The pools may still grow to the number of threads that happen to be busy at once; one a case would be 50 more.
    assert len(opened) - warm <= THREADS
    assert sorted(built) == ["agents.assessors", "agents.graph"]
    until(lambda: _at_work(), lambda count: count == 0)


def _costs(client_app: App) -> dict[str, int]:
    """How many statements each step of a new case makes."""
    costs: dict[str, int] = {}

    def count(step: str, call: Callable[[], Any]) -> Any:
        with CaptureQueriesContext(connection) as queries:
            answer = call()
        costs[step] = len([query for query in queries if query["sql"] not in ("BEGIN", "COMMIT")])
        return answer

    client_app.start()  # that the key was used is kept once a minute, and is no part of what a case costs
    body = {"content_id": "post-1", "author_id": "author-1", "language": "en", "text": "You are a loser."}
    case_id = count("start", client_app.start)
    count("start with an idempotency key", lambda: client_app.post("cases/", body, **{"Idempotency-Key": "one"}))
    work()
    count("accept a decision", lambda: client_app.decide(case_id, "remove_content", "suspend_author"))
    run = Run.objects.get(case_id=case_id, done_at=None)
    count("resume leg", lambda: runs.resume(run.pk))
    order = Order.objects.get(case_id=case_id, action="remove_content")
    count("deliver", lambda: delivery.deliver(order.pk))
    work()
    count("accept a rollback", lambda: client_app.roll_back(case_id))
    back = Run.objects.get(case_id=case_id, done_at=None)
    count("rollback leg", lambda: runs.roll_back(back.pk))
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    return costs


def _review_and_complete(client_app: App, count: int) -> None:
    ids = [client_app.start(author_id=f"author-{number}") for number in range(count)]
    until(lambda: _statuses(ids), lambda found: found == {"pending_review"})
    for case_id in ids:
        assert client_app.decide(case_id, "label_content").status_code == 202
    until(lambda: _statuses(ids), lambda found: found == {"completed"})


def _statuses(ids: list[str]) -> set[str]:
    return set(Case.objects.filter(pk__in=ids).values_list("status", flat=True))


def _noting(build: Callable[..., Any], built: list[str], name: str) -> Callable[..., Any]:
    def noted(*args: Any) -> Any:
        built.append(name)
        return build(*args)

    return noted


def _at_work() -> int:
    """Connections of the ending's threads that are still in the middle of something."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )
        row: tuple[int] = cursor.fetchone()
        return row[0]
