"""Limits and keys, the document itself, and the pages for developers and operators."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client as Browser
from pytest_django import Settings

from moderation.models import ApiKey, Client, Event, Run
from moderation.rights import Actor
from moderation.services.desk import clients, limits
from moderation.tests.api_answers import GOOD, assert_problem, pointers
from moderation.tests.people import RUDE, App, app, enforced, work
from moderation.tests.platform import Platform
from moderation.tests.test_api_schema import OPERATIONS

# --- keys and limits ---------------------------------------------------------------------------------------------


def test_a_key_that_calls_too_often_is_told_when_to_come_back(client_app: App) -> None:
    limits._blocks.clear()
    Client.objects.update(rate_per_second=1, rate_burst=3)
    answers = [client_app.get("cases/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert_problem(answers[3], 429)
    assert 1 <= int(answers[3]["Retry-After"]) <= 2
    assert answers[0]["RateLimit-Policy"] == '"key";q=3;w=3'
    assert answers[0]["RateLimit"].startswith('"key";r=')
    assert app().get("cases/").status_code == 200, "another key is another bucket"


def test_a_rotated_key_lives_on_for_its_overlap(client_app: App) -> None:
    old = ApiKey.objects.get()
    new = App(client_app.client, clients.rotate_key(old.pk, by=Actor.operator()), "")
    assert (client_app.get("cases/").status_code, new.get("cases/").status_code) == (200, 200)
    ApiKey.objects.filter(pk=old.pk).update(expires_at=Now())
    assert (client_app.get("cases/").status_code, new.get("cases/").status_code) == (401, 200)


def test_two_secrets_sign_while_one_is_rotated(client_app: App, platform: Platform) -> None:
    new = clients.rotate_secret(client_app.client.pk, by=Actor.operator())
    enforced(client_app, "remove_content")  # the platform still verifies with the old one
    platform.secret = new
    enforced(client_app, "remove_content")
    assert platform.actions == ["remove_content"] * 2
    Client.objects.update(old_secret_until=Now())
    enforced(client_app, "label_content")
    assert platform.actions[-1] == "label_content"


# --- pages for developers and operators --------------------------------------------------------------------------


def test_the_docs_and_the_schema_come_from_our_own_files(client_app: App, settings: Settings) -> None:
    page = Browser().get("/api/docs/")
    assert page.status_code == 200
    assert "//cdn" not in page.content.decode()
    assert "script-src 'self'" in page["Content-Security-Policy"]
    schema = Browser().get("/api/schema/").json()
    assert schema["openapi"].startswith("3.1")
    assert {"action.apply", "action.reverse", "appeal.decided", "ping"} <= set(schema["webhooks"])
    operations = {
        operation["operationId"]
        for path in schema["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    }
    assert operations == set(OPERATIONS)


def test_answers_have_the_documented_shapes(client_app: App) -> None:
    from moderation.api import shapes

    case_id = enforced(client_app, "remove_content")
    appealed = client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": "author-1", "statement": "No."}).json()
    work()
    case = client_app.case(case_id)
    for shape, answer in (
        (shapes.CaseShape, case),
        (shapes.AssessmentShape, case["assessment"]),
        (shapes.ActionShape, case["actions"][0]),
        (shapes.AppealSummary, case["appeals"][0]),
        (shapes.AppealShape, appealed),
        (shapes.EventShape, client_app.get(f"cases/{case_id}/events/").json()["results"][0]),
    ):
        assert set(shape().fields) == set(answer), shape
    client_app.decide(case_id, "label_content", by="Ben", reason="Milder.")
    work()
    case = client_app.case(case_id)
    assert set(shapes.DecisionShape().fields) == set(case["decision"])
    assert set(shapes.StatementShape().fields) == set(client_app.get(f"cases/{case_id}/statement/").json())
    (effect,) = client_app.get("effects/", content_id=case["content_id"]).json()["results"]
    assert set(shapes.EffectShape().fields) == set(effect)


def test_health_and_metrics(client_app: App) -> None:
    enforced(client_app, "remove_content")
    browser = Browser()
    assert browser.get("/livez").json() == {"status": "ok"}
    assert browser.get("/readyz").json()["status"] == "ok"
    Run.objects.update(done_at=None, due_at=Now() - timedelta(minutes=5))
    late = browser.get("/readyz")
    assert (late.status_code, late.json()["status"]) == (200, "degraded")
    told = browser.get("/metrics").content.decode()
    assert 'guardian_cases{status="pending_review"} 0.0' in told
    assert RUDE not in told


def test_the_database_away_is_503_with_retry_after(client_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("moderation.services.desk.clients.authenticate", away)
    answer = client_app.post("cases/", GOOD)
    assert_problem(answer, 503, "database_away")
    assert answer["Retry-After"]
    assert pointers(answer) == []
    assert not Event.objects.exists()
