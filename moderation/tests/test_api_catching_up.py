"""Batches, pull mode, effects, the feed, withdrawal, the statement of reasons, limits and the document itself."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client as Browser
from pytest_django import Settings

from moderation.models import ApiKey, Case, Client, Event, Notice, Order, Report, Run
from moderation.services.desk import clients, limits
from moderation.services.orders import announcements, delivery
from moderation.tests.people import RUDE, App, app, work
from moderation.tests.platform import Platform
from moderation.tests.test_api_cases import GOOD, assert_problem, pointers

# --- batch -------------------------------------------------------------------------------------------------------


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {"content_id": f"c-{number}", "text": f"Text {number}.", "author_id": "a-1", **fields}


def test_a_batch_answers_for_each_item_and_one_bad_item_keeps_no_other_back(client_app: App) -> None:
    client_app.post("cases/", item(0))
    answer = client_app.post(
        "cases/batch/",
        {
            "cases": [
                item(0, report={"reporter_id": "r", "reason": "Rude."}),
                item(1),
                item(1, report={"reporter_id": "r", "reason": "Rude."}),
                item(2, text=""),
                "nonsense",
                item(3),
            ]
        },
    )
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["merged"], body["rejected"]) == (2, 2, 2)
    assert [result["result"] for result in body["results"]] == [
        "merged", "accepted", "merged", "rejected", "rejected", "accepted",
    ]  # fmt: skip
    assert body["results"][3]["errors"][0]["pointer"] == "/cases/3/text"
    assert body["results"][1]["id"] == body["results"][2]["id"]
    assert Report.objects.count() == 2
    assert Run.objects.count() == Case.objects.count() == 3


def test_what_cannot_be_kept_refuses_only_its_item(client_app: App) -> None:
    good = json.dumps(item(1))
    body = '{"cases": [%s, {"content_id": "x", "author_id": "a", "text": "a\\u0000b"}, {"text": "a", "text": "b"}]}'
    results = client_app.post("cases/batch/", body % good).json()["results"]
    assert [result["result"] for result in results] == ["accepted", "rejected", "rejected"]
    assert results[1]["errors"][0]["pointer"] == "/cases/1/text"


@pytest.mark.parametrize("body", [{}, [], {"cases": {}}, {"cases": []}, {"cases": [1] * 1001}, {"cases": [], "x": 1}])
def test_a_batch_that_is_none_is_422(client_app: App, body: Any) -> None:
    assert_problem(client_app.post("cases/batch/", body), 422)


def test_a_batch_is_written_in_few_statements_and_much_faster_than_single_posts(
    client_app: App, django_assert_max_num_queries: Any
) -> None:
    work()
    started = time.perf_counter()
    for number in range(60):
        client_app.post("cases/", item(number))
    single = (time.perf_counter() - started) / 60
    cases = [item(number, report={"reporter_id": "r", "reason": "Rude."}) for number in range(1000, 2000)]
    with django_assert_max_num_queries(25):
        started = time.perf_counter()
        answer = client_app.post("cases/batch/", {"cases": cases})
        batch = (time.perf_counter() - started) / 1000
    assert answer.json()["accepted"] == 1000
    assert single / batch >= 8, f"{single / batch:.1f} times faster per case"


def test_a_batch_under_one_key_is_one_batch(client_app: App) -> None:
    body, key = {"cases": [item(1), item(2)]}, {"Idempotency-Key": "b"}
    first = client_app.post("cases/batch/", body, **key)
    again = client_app.post("cases/batch/", body, **key)
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"


# --- pull mode ---------------------------------------------------------------------------------------------------


@pytest.fixture
def puller(database: None) -> App:
    """A client app without a webhook."""
    return app()


def enforced(pulling: App, *actions: Any, **fields: Any) -> str:
    case_id = pulling.start(**fields)
    work()
    assert pulling.decide(case_id, *actions).status_code == 202
    work()
    return case_id


def test_orders_are_handed_out_one_at_a_time_and_confirmed(puller: App) -> None:
    case_id = enforced(puller, "remove_content", "warn_author")
    (first,) = puller.get("orders/", status="pending").json()["results"]
    assert (first["type"], first["data"]["action"]) == ("action.apply", "remove_content")
    done = puller.post(f"orders/{first['id']}/confirm/", {"result": "applied", "detail": "Gone."})
    assert (done.status_code, done.json()["status"]) == (200, "applied")
    assert puller.post(f"orders/{first['id']}/confirm/", {"result": "refused"}).json()["status"] == "applied"
    (second,) = puller.get("orders/").json()["results"]
    puller.post(f"orders/{second['id']}/confirm/", {"result": "already"})
    assert puller.get("orders/").json()["results"] == []
    assert puller.case(case_id)["status"] == "completed"


def test_an_order_that_is_not_next_cannot_be_confirmed(puller: App) -> None:
    case_id = enforced(puller, "remove_content", "warn_author")
    second = puller.case(case_id)["actions"][1]["id"]
    assert_problem(puller.post(f"orders/{second}/confirm/", {"result": "applied"}), 409, "not_next")
    assert_problem(puller.post(f"orders/{second}/confirm/", {"result": "maybe"}), 422)
    assert_problem(app().post(f"orders/{second}/confirm/", {"result": "applied"}), 404)


def test_what_was_handed_out_may_have_been_applied_and_is_reversed(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    puller.get("orders/")
    puller.roll_back(case_id)
    work()
    (reversal,) = puller.get("orders/").json()["results"]
    assert reversal["data"]["action"] == "restore_content"
    puller.post(f"orders/{reversal['id']}/confirm/", {"result": "already"})
    assert puller.case(case_id)["status"] == "pending_review"
    assert puller.statuses(case_id) == [("remove_content", "reversed")]


def test_what_nobody_fetched_in_72_hours_has_failed(puller: App) -> None:
    case_id = enforced(puller, "remove_content")
    assert delivery.give_up_unfetched() == 0
    Order.objects.update(due_at=Now() - timedelta(hours=73))
    assert delivery.give_up_unfetched() == 1
    assert puller.statuses(case_id) == [("remove_content", "failed")]
    assert puller.case(case_id)["status"] == "completed"


# --- replay ------------------------------------------------------------------------------------------------------


def test_a_failed_order_is_sent_again_under_the_same_id_unless_it_is_superseded(
    client_app: App, platform: Platform
) -> None:
    from moderation.errors import IllegalMove
    from moderation.services.orders import webhooks

    platform.behave = lambda document: (500, b"")
    case_id = enforced(client_app, "remove_content")
    Order.objects.update(first_tried_at=Now() - webhooks.GIVE_UP_AFTER, due_at=Now(), published_until=None)
    work()
    assert client_app.statuses(case_id) == [("remove_content", "failed")]
    platform.behave = lambda document: (200, b"")
    order = Order.objects.get()
    delivery.replay(order.pk, actor="sue")
    work()
    assert client_app.statuses(case_id) == [("remove_content", "applied")]
    assert set(platform.tries()) == {str(order.pk)}
    with pytest.raises(IllegalMove):
        delivery.replay(order.pk, actor="sue")
    Order.objects.update(status="failed")
    client_app.roll_back(case_id)
    work()
    Order.objects.filter(direction="apply").update(status="failed")
    with pytest.raises(IllegalMove) as refused:
        delivery.replay(order.pk, actor="sue")
    assert refused.value.code == "superseded"


# --- effects -----------------------------------------------------------------------------------------------------


def test_effects_tell_what_should_be_in_force_now(client_app: App) -> None:
    first = enforced(client_app, "remove_content", {"action": "suspend_author", "params": {"days": 7}}, content_id="p")
    enforced(client_app, {"action": "suspend_author", "params": {"days": 30}}, "warn_author")
    (content,) = client_app.get("effects/", content_id="p").json()["results"]
    assert (content["action"], content["target"]) == ("remove_content", {"kind": "content", "id": "p"})
    (author,) = client_app.get("effects/", author_id="author-1").json()["results"]
    assert (author["action"], author["params"]["days"]) == ("suspend_author", 30), "the longest counts, warnings do not"
    client_app.roll_back(first)
    work()
    assert client_app.get("effects/", content_id="p").json()["results"] == []
    Order.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert client_app.get("effects/", author_id="author-1").json()["results"] == []
    assert app().get("effects/", author_id="author-1").json()["results"] == []
    assert_problem(client_app.get("effects/"), 422)
    assert_problem(client_app.get("effects/", author_id="a", content_id="c"), 422)


# --- the feed ----------------------------------------------------------------------------------------------------


def test_the_feed_tells_everything_in_order_and_nothing_appears_behind_a_place_already_served(client_app: App) -> None:
    case_id = enforced(client_app, "remove_content")
    client_app.roll_back(case_id)
    work()
    assert client_app.get("events/").json()["results"] == [], "a place is given after the commit"
    while announcements.place():
        pass
    page = client_app.get("events/").json()
    assert [event["type"] for event in page["results"]] == [
        "case.review_requested",
        "action.apply",
        "case.completed",
        "action.reverse",
        "case.reopened",
    ]
    positions = [event["position"] for event in page["results"]]
    assert positions == sorted(positions)
    assert page["next"] == positions[-1]
    assert client_app.get("events/", after=str(page["next"])).json() == {"results": [], "next": page["next"]}
    assert app().get("events/").json()["results"] == []
    assert_problem(client_app.get("events/", after="-1"), 422)
    assert page["results"][1]["data"]["order_id"] == page["results"][1]["id"]


def test_notices_are_delivered_and_block_nothing(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (200 if document["type"].startswith("action.") else 500, b"")
    case_id = enforced(client_app, "remove_content")
    assert client_app.case(case_id)["status"] == "completed"
    platform.behave = lambda document: (200, b"")
    Notice.objects.update(due_at=Now(), published_until=None)
    work()
    assert not Notice.objects.filter(order=None, delivered_at=None).exists()
    completed = next(notice for notice in platform.notices if notice["type"] == "case.completed")
    assert completed["data"]["statement"]["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]


# --- withdrawal --------------------------------------------------------------------------------------------------


def test_a_case_can_be_withdrawn_from_any_state_once(client_app: App, platform: Platform) -> None:
    case_id = client_app.start(RUDE)
    body = {"reason": "Deleted by its author."}
    gone = client_app.post(f"cases/{case_id}/withdraw/", body)
    assert (gone.status_code, gone.json()["outcome"]) == (202, "withdrawn")
    work()
    assert client_app.case(case_id)["status"] == "completed", "the analysis was called off"
    assert_problem(client_app.post(f"cases/{case_id}/withdraw/", body), 409, "illegal_move")

    case_id = enforced(client_app, "remove_content")
    client_app.post(f"cases/{case_id}/withdraw/", {**body, "keep_in_force": False})
    work()
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]
    assert client_app.case(case_id)["decision"] is None

    case_id = enforced(client_app, "remove_content")
    client_app.post(f"cases/{case_id}/withdraw/", body)
    assert client_app.statuses(case_id) == [("remove_content", "applied")]


# --- the statement of reasons ------------------------------------------------------------------------------------


def test_the_statement_gives_reasons_from_recorded_facts_and_names_nobody(client_app: App) -> None:
    case_id = client_app.start(RUDE, report={"reporter_id": "reporter-77", "reason": "Rude."})
    work()
    assert_problem(client_app.get(f"cases/{case_id}/statement/"), 404)
    client_app.decide(
        case_id,
        "remove_content",
        "suspend_author",
        policies=["harassment"],
        reason="author-1 insulted reporter-77 (mail a.b@example.org, call +49 30 1234567). Ana",
        by="Ana",
    )
    work()
    said = client_app.get(f"cases/{case_id}/statement/").json()
    assert said["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    assert said["decision_account"] == "DECISION_ACCOUNT_SUSPENDED"
    assert said["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert said["category"] == "STATEMENT_CATEGORY_CYBER_VIOLENCE"
    assert said["source_type"] == "SOURCE_ARTICLE_16"
    assert said["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    assert said["policies"] == [{"slug": "harassment", "title": "Insults and harassment", "version": 1}]
    told = json.dumps(said)
    for person in ("author-1", "reporter-77", "example.org", "1234567", 'Ana"'):
        assert person not in told
    client_app.roll_back(case_id)
    work()
    assert_problem(client_app.get(f"cases/{case_id}/statement/"), 404)


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
    new = App(client_app.client, clients.rotate_key(old), "")
    assert (client_app.get("cases/").status_code, new.get("cases/").status_code) == (200, 200)
    ApiKey.objects.filter(pk=old.pk).update(expires_at=Now())
    assert (client_app.get("cases/").status_code, new.get("cases/").status_code) == (401, 200)


def test_two_secrets_sign_while_one_is_rotated(client_app: App, platform: Platform) -> None:
    new = clients.rotate_secret(client_app.client)
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
    assert operations == {
        "list_cases", "start_case", "start_cases", "get_case", "list_case_events", "get_statement", "resume_case",
        "roll_back_case", "withdraw_case", "appeal", "get_appeal", "list_orders", "confirm_order", "list_effects",
        "list_events",
    }  # fmt: skip


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
