"""Pull mode, effects, the feed, withdrawal and the statement of reasons."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from moderation.models import Notice, Order
from moderation.services.orders import announcements, delivery
from moderation.tests.api_answers import assert_problem
from moderation.tests.people import RUDE, App, app, console, enforced, sue, work
from moderation.tests.platform import Platform

# --- pull mode ---------------------------------------------------------------------------------------------------


@pytest.fixture
def puller(database: None) -> App:
    """A client app without a webhook."""
    return app()


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
    delivery.replay(order.pk, by=console(sue()))
    work()
    assert client_app.statuses(case_id) == [("remove_content", "applied")]
    assert set(platform.tries()) == {str(order.pk)}
    with pytest.raises(IllegalMove):
        delivery.replay(order.pk, by=console(sue()))
    Order.objects.update(status="failed")
    client_app.roll_back(case_id)
    work()
    Order.objects.filter(direction="apply").update(status="failed")
    with pytest.raises(IllegalMove) as refused:
        delivery.replay(order.pk, by=console(sue()))
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
