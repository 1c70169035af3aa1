"""/metrics: told to whoever may ask, added up by the sealing job, and never counted from all there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from moderation.models import Assessment, Event, Order, Tally
from moderation.services.record import audit
from moderation.tests.people import App, enforced, work
from moderation.tests.platform import Platform


def _told() -> dict[str, float]:
    lines = Browser().get("/metrics").content.decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@pytest.mark.parametrize(
    ("public", "token", "sent", "status"),
    [
        (False, "", "", 200),
        (True, "", "", 403),
        (True, "", "Bearer ", 403),
        (True, "the-token", "", 401),
        (True, "the-token", "Bearer another", 401),
        (True, "the-token", "Bearer thé-token", 401),
        (True, "the-token", "the-token", 401),
        (True, "the-token", "Bearer the-token", 200),
        (True, "the-token", "bearer the-token", 200),
        (False, "the-token", "", 401),
        (False, "the-token", "Bearer the-token", 200),
    ],
)
def test_metrics_are_told_to_the_bearer_of_the_token(
    public: bool, token: str, sent: str, status: int, client_app: App, settings: Settings
) -> None:
    settings.PUBLIC, settings.METRICS_TOKEN = public, token
    answer = Browser().get("/metrics", headers={"authorization": sent} if sent else {})
    assert answer.status_code == status
    if status != 200:
        assert "guardian_" not in answer.content.decode()
        assert answer.content.decode().count(".") == 1, "one sentence"
    assert answer.has_header("WWW-Authenticate") == (status == 401)


def test_the_sealing_job_counts_what_it_seals_once(client_app: App, platform: Platform) -> None:
    case_id = enforced(client_app, "remove_content", "suspend_author", "label_content")
    client_app.roll_back(case_id)
    work()
    Assessment.objects.update(seconds=1.5, input_tokens=100, output_tokens=20, model="gpt-x")
    while audit.seal():
        pass
    told = _told()
    assert told['guardian_decisions_total{outcome="violation",via="api"}'] == 1
    assert told['guardian_deliveries_total{result="applied"}'] == 6
    assert told['guardian_analysis_seconds_count{analyst="rules"}'] == 1
    assert told['guardian_analysis_seconds_sum{analyst="rules"}'] == 1.5
    assert told['guardian_tokens_total{direction="in",model="gpt-x"}'] == 100
    assert told['guardian_tokens_total{direction="out",model="gpt-x"}'] == 20
    assert audit.seal() == 0
    counted = ("guardian_decisions", "guardian_deliveries", "guardian_analysis", "guardian_tokens")
    again = _told()
    assert {name: again[name] for name in told if name.startswith(counted)} == {
        name: value for name, value in told.items() if name.startswith(counted)
    }


def test_each_answer_of_a_platform_has_its_count(client_app: App, platform: Platform) -> None:
    answers: dict[str, tuple[int, bytes]] = {
        "label_content": (200, b'{"result": "already"}'),
        "age_gate": (200, b'{"result": "refused"}'),
        "remove_content": (500, b""),
    }
    platform.behave = lambda document: answers.get(document["data"].get("action", ""), (200, b""))
    enforced(client_app, "label_content", "age_gate", "remove_content")
    Order.objects.filter(action="remove_content").update(first_tried_at=Now() - timedelta(hours=73), due_at=Now())
    work()
    audit.seal()
    results = {name: value for name, value in _told().items() if name.startswith("guardian_deliveries_total")}
    assert results == {
        f'guardian_deliveries_total{{result="{result}"}}': 1 for result in ("already", "refused", "delayed", "failed")
    }


def test_what_the_agent_clears_and_what_is_taken_back_are_counted_too(client_app: App, waiting: str) -> None:
    Event.objects.create(
        case_id=waiting, type="case.cleared", actor="agent", data={"from": "pending_analysis", "round": 1}
    )
    Event.objects.create(case_id=waiting, type="case.decision_undone", actor="ana", data={"from": "enforcing"})
    audit.seal()
    told = _told()
    assert told['guardian_decisions_total{outcome="cleared",via="agent"}'] == 1
    assert told['guardian_decisions_total{outcome="undone",via="console"}'] == 1


def test_a_batch_costs_three_statements_whatever_its_size(client_app: App) -> None:
    def cost(cases: int) -> int:
        for _ in range(cases):
            enforced(client_app, "label_content")
        with CaptureQueriesContext(connection) as queries:
            audit.seal()
        return len(queries)

    assert cost(1) == cost(8)
    assert Tally.objects.count() < 20


def test_a_seal_that_is_rolled_back_counts_nothing(client_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    enforced(client_app, "label_content")
    add: Any = audit.tallies.add

    def added_and_died(events: Any) -> None:
        add(events)
        raise RuntimeError("the process dies before the commit")

    with monkeypatch.context() as patched:
        patched.setattr(audit.tallies, "add", added_and_died)
        with pytest.raises(RuntimeError):
            audit.seal()
    assert Tally.objects.count() == 0
    audit.seal()
    assert _told()['guardian_decisions_total{outcome="violation",via="api"}'] == 1
