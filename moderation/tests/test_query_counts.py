"""What each step costs in statements: fixed here, so that a query in a loop is seen at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from moderation.models import Order, Run
from moderation.services.orders import delivery
from moderation.services.story import legs
from moderation.tests.people import App, work
from moderation.tests.platform import Platform

QUERIES = {
    "start": 10,
    "start with an idempotency key": 15,
    "accept a decision": 18,
    "resume leg": 15,
    "deliver": 12,
    "accept a rollback": 13,
    "rollback leg": 17,
}
"""Statements on Django's connection: savepoints count, BEGIN and COMMIT do not. The agent's own few statements about
its thread go past Django on the same connection (agents/tests counts those). Two actions are decided and reversed."""


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


def test_what_a_confirmed_reversal_ends_is_told_at_no_cost(client_app: App, platform: Platform) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content")
    work()
    client_app.roll_back(case_id)
    legs.roll_back(Run.objects.get(case_id=case_id, done_at=None).pk)
    reversal = Order.objects.get(action="restore_content")
    with CaptureQueriesContext(connection) as queries:
        delivery.deliver(reversal.pk)
    assert len([query for query in queries if query["sql"] not in ("BEGIN", "COMMIT")]) == 17
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


def _costs(client_app: App) -> dict[str, int]:
    """How many statements each step of a new case makes."""
    costs: dict[str, int] = {}

    def count(step: str, call: Callable[[], Any]) -> Any:
        with CaptureQueriesContext(connection) as queries:
            answer = call()
        # A key takes its tokens in blocks, so that statement belongs to no one request.
        costs[step] = len(
            [
                query
                for query in queries
                if query["sql"] not in ("BEGIN", "COMMIT") and "tokenbucket" not in query["sql"]
            ]
        )
        return answer

    client_app.start()  # that the key was used is kept once a minute, and is no part of what a case costs
    body = {"content_id": "post-1", "author_id": "author-1", "language": "en", "text": "You are a loser."}
    case_id = count("start", client_app.start)
    count("start with an idempotency key", lambda: client_app.post("cases/", body, **{"Idempotency-Key": "one"}))
    work()
    count("accept a decision", lambda: client_app.decide(case_id, "remove_content", "suspend_author"))
    run = Run.objects.get(case_id=case_id, done_at=None)
    count("resume leg", lambda: legs.resume(run.pk))
    order = Order.objects.get(case_id=case_id, action="remove_content")
    count("deliver", lambda: delivery.deliver(order.pk))
    work()
    count("accept a rollback", lambda: client_app.roll_back(case_id))
    back = Run.objects.get(case_id=case_id, done_at=None)
    count("rollback leg", lambda: legs.roll_back(back.pk))
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    return costs
