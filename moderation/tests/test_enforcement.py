"""Who holds what (contract section 4): one test for each sentence."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from moderation.models import Case, Order
from moderation.services import chores as housekeeping
from moderation.services.orders import closing, delivery, webhooks
from moderation.services.post import outbox
from moderation.services.story import legs, review
from moderation.services.story.rulings import Ruling
from moderation.states import OrderStatus
from moderation.tests.people import App, ben, console, work
from moderation.tests.platform import Platform

pytestmark = pytest.mark.usefixtures("orders_are_told")


def days(number: int) -> dict[str, Any]:
    return {"action": "suspend_author", "params": {"days": number}}


def decided(app: App, *actions: Any, by: str = "Ana", **fields: Any) -> str:
    """A case about author-1, decided and carried out as far as the platform lets it."""
    case_id = app.start(**fields)
    work()
    assert app.decide(case_id, *actions, by=by).status_code == 202
    work()
    return case_id


def taken_back(app: App, case_id: str) -> None:
    assert app.roll_back(case_id).status_code == 202
    work()


def make_due() -> None:
    """Let the waits between tries pass."""
    Order.objects.update(due_at=Now(), published_until=None)


def sent(platform: Platform) -> list[dict[str, Any]]:
    """The data of each order, once, in the order of arrival."""
    return list({webhook_id: document["data"] for webhook_id, document in platform.received}.values())


# --- one decision ------------------------------------------------------------------------------------------------


def test_an_order_says_everything_the_client_needs(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content", days(3))
    case = client_app.case(case_id)
    first, second = platform.received
    assert first[1]["type"] == "action.apply"
    assert first[1]["data"] == {
        "order_id": case["actions"][0]["id"],
        "action": "remove_content",
        "params": {},
        "case_id": case_id,
        "content_id": case["content_id"],
        "author_id": "author-1",
        "decision_id": case["decision"]["id"],
        "sequence": 1,
    }
    assert second[1]["data"]["params"]["days"] == 3
    assert "expires_at" in second[1]["data"]["params"]


def test_a_reversal_names_the_action_and_the_order_it_undoes(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    taken_back(client_app, case_id)
    kind, data = platform.received[1][1]["type"], platform.received[1][1]["data"]
    assert (kind, data["action"]) == ("action.reverse", "restore_content")
    assert data["reverses"] == client_app.case(case_id)["actions"][0]["id"]


@pytest.mark.parametrize("result", ["applied", "already", "refused"])
def test_the_clients_own_word_is_honoured(client_app: App, platform: Platform, result: str) -> None:
    platform.behave = lambda document: (200, json.dumps({"result": result, "detail": "As you say."}).encode())
    case_id = decided(client_app, "remove_content")
    assert client_app.statuses(case_id) == [("remove_content", result)]
    assert client_app.case(case_id)["status"] == "completed"


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS),
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_answer_is_understood(client_app: App, platform: Platform, encoding: str) -> None:
    said = PACKED[encoding](b'{"result": "refused", "detail": "A partner."}')
    platform.behave = lambda document: (200, said)
    platform.headers = {"content-encoding": encoding}
    assert client_app.statuses(decided(client_app, "remove_content")) == [("remove_content", "refused")]
    assert Order.objects.get().detail == "A partner."


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"whatever"),
        ("gzip", b"not packed at all"),
        ("gzip", gzip.compress(b"{" + b" " * 50_000_000)),
        ("gzip, br", b"\x1f\x8b"),
        ("gzip", gzip.compress(b'{"result": "refused"}')[:20]),
    ],
    ids=["unknown", "not packed", "a bomb", "twice", "cut"],
)
def test_a_packed_answer_that_cannot_be_read_confirms(
    client_app: App, platform: Platform, encoding: str, body: bytes
) -> None:
    platform.behave = lambda document: (200, body)
    platform.headers = {"content-encoding": encoding}
    assert client_app.statuses(decided(client_app, "remove_content")) == [("remove_content", "applied")]


@pytest.mark.parametrize(
    "body", [b"", b"thanks", b"[1]", b'{"result": "great"}', b'{"result": 5}', b"\xff", b"[" * 9999]
)
def test_any_2xx_confirms_whatever_its_body_says(client_app: App, platform: Platform, body: bytes) -> None:
    platform.behave = lambda document: (204 if not body else 200, body)
    assert client_app.statuses(decided(client_app, "remove_content")) == [("remove_content", "applied")]


def test_what_was_refused_is_not_reversed(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (200, b'{"result": "refused", "detail": "A partner."}')
    case_id = decided(client_app, "ban_author")
    taken_back(client_app, case_id)
    assert client_app.statuses(case_id) == [("ban_author", "refused")]
    assert platform.actions == ["ban_author"]


def test_a_warning_is_irreversible_only_after_a_rollback_asked_for_it(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "warn_author")
    assert client_app.statuses(case_id) == [("warn_author", "applied")]
    assert client_app.case(case_id)["actions"][0]["reversible"] is False
    taken_back(client_app, case_id)
    assert client_app.statuses(case_id) == [("warn_author", "irreversible")]
    assert client_app.case(case_id)["status"] == "pending_review"


# --- what was not, or not surely, applied ------------------------------------------------------------------------


def test_what_was_never_tried_is_cancelled_and_what_was_tried_is_reversed(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    case_id = decided(client_app, "remove_content", "suspend_author")
    assert client_app.statuses(case_id) == [("remove_content", "planned"), ("suspend_author", "planned")]
    platform.behave = lambda document: (200, b"")
    taken_back(client_app, case_id)
    assert client_app.statuses(case_id) == [("remove_content", "reversed"), ("suspend_author", "cancelled")]
    assert platform.actions == ["remove_content", "restore_content"]
    assert client_app.case(case_id)["status"] == "pending_review"


def test_the_reversal_takes_the_place_of_the_apply_it_cancels(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    first = decided(client_app, "ban_author")
    second = decided(client_app, "suspend_author")
    platform.behave = lambda document: (200, b"")
    taken_back(client_app, first)
    assert platform.actions == ["ban_author", "unban_author", "suspend_author"]
    assert client_app.case(second)["status"] == "completed", "nothing blocks for ever"


def test_a_failed_order_may_have_been_applied_and_is_reversed(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    case_id = decided(client_app, "remove_content")
    Order.objects.update(first_tried_at=Now() - webhooks.GIVE_UP_AFTER)
    make_due()
    work()
    assert client_app.statuses(case_id) == [("remove_content", "failed")]
    assert client_app.case(case_id)["status"] == "completed"
    platform.behave = lambda document: (200, b'{"result": "already"}')
    taken_back(client_app, case_id)
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


def test_a_reversal_waits_for_a_try_that_is_in_the_air(client_app: App, platform: Platform) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content")
    (offer,) = outbox.claim(starts_at_once=8)
    legs.resume(offer.id)
    order = Order.objects.get()
    in_the_air = delivery.take(order.pk)
    assert in_the_air is not None
    client_app.roll_back(case_id)
    work()
    reversal = Order.objects.get(undoes=order)
    assert delivery.take(reversal.pk) is None, "the apply could still arrive after its reversal"
    delivery.record(in_the_air, webhooks.post(in_the_air.client, in_the_air.pk, in_the_air.notice.document))
    work()
    assert platform.actions == ["remove_content", "restore_content"]
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


# --- several decisions on one subject ----------------------------------------------------------------------------


def test_an_action_another_live_decision_holds_is_retained(client_app: App, platform: Platform) -> None:
    a, b = decided(client_app, "ban_author"), decided(client_app, "ban_author")
    taken_back(client_app, a)
    assert client_app.statuses(a) == [("ban_author", "retained")]
    assert client_app.case(a)["status"] == "pending_review"
    assert platform.actions == ["ban_author", "ban_author"]
    assert client_app.statuses(b) == [("ban_author", "applied")]


def test_when_the_last_holder_goes_the_reversal_names_the_order_that_was_applied(
    client_app: App, platform: Platform
) -> None:
    words = iter(["applied", "already", "applied"])
    platform.behave = lambda document: (
        200,
        json.dumps({"result": next(words)}).encode() if document["type"].startswith("action.") else b"",
    )
    a, b = decided(client_app, "ban_author"), decided(client_app, "ban_author")
    taken_back(client_app, a)
    taken_back(client_app, b)
    assert platform.actions == ["ban_author", "ban_author", "unban_author"]
    assert sent(platform)[2]["reverses"] == client_app.case(a)["actions"][0]["id"]
    assert client_app.statuses(a) == [("ban_author", "reversed")]
    assert client_app.statuses(b) == [("ban_author", "reversed")]


def test_an_effect_left_to_an_order_that_was_never_sent_is_still_reversed(client_app: App, platform: Platform) -> None:
    a = decided(client_app, "ban_author")
    platform.behave = lambda document: (500, b"")
    blocker = decided(client_app, "warn_author")  # holds up everything behind it on this author
    b = decided(client_app, "ban_author")
    assert Order.objects.get(case_id=b).first_tried_at is None
    taken_back(client_app, a)
    assert client_app.statuses(a) == [("ban_author", "retained")]
    client_app.roll_back(b)
    work()
    platform.behave = lambda document: (200, b"")
    make_due()
    work()
    assert client_app.statuses(b) == [("ban_author", "cancelled")]
    assert platform.actions[-1] == "unban_author"
    assert sent(platform)[-1]["reverses"] == client_app.case(a)["actions"][0]["id"]
    assert client_app.statuses(a) == [("ban_author", "reversed")]
    assert client_app.case(blocker)["status"] == "completed"


def test_of_two_suspensions_the_remaining_one_is_sent_again_when_the_longer_goes(
    client_app: App, platform: Platform
) -> None:
    a, b = decided(client_app, days(30)), decided(client_app, days(7))
    taken_back(client_app, a)
    assert client_app.statuses(a) == [("suspend_author", "retained")]
    assert platform.actions == ["suspend_author"] * 3
    again = sent(platform)[2]
    assert (again["params"], again["case_id"]) == (sent(platform)[1]["params"], b)
    assert client_app.statuses(b) == [("suspend_author", "applied")]
    taken_back(client_app, b)
    assert platform.actions[3:] == ["unsuspend_author"]


def test_a_longer_suspension_that_was_tried_but_not_confirmed_may_have_been_applied(
    client_app: App, platform: Platform
) -> None:
    decided(client_app, days(7))
    platform.behave = lambda document: (500, b"")
    longer = decided(client_app, days(30))
    platform.behave = lambda document: (200, b"")
    taken_back(client_app, longer)
    assert [data["params"]["days"] for data in sent(platform)] == [7, 30, 7]
    assert client_app.statuses(longer) == [("suspend_author", "retained")]


def test_when_the_shorter_of_two_suspensions_goes_nothing_is_sent(client_app: App, platform: Platform) -> None:
    a, _b = decided(client_app, days(7)), decided(client_app, days(30))
    taken_back(client_app, a)
    assert client_app.statuses(a) == [("suspend_author", "retained")]
    assert len(platform.received) == 2


def test_a_suspension_that_has_run_out_is_expired_and_holds_nothing(client_app: App, platform: Platform) -> None:
    a, b = decided(client_app, days(1)), decided(client_app, days(1))
    Order.objects.filter(case_id=a).update(expires_at=Now() - timedelta(minutes=1))
    assert housekeeping.end_expired_suspensions() == 1
    assert client_app.statuses(a) == [("suspend_author", "expired")]
    taken_back(client_app, b)
    assert client_app.statuses(b) == [("suspend_author", "reversed")]


def test_orders_on_one_author_arrive_in_the_order_of_the_decisions(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    for number in range(4):
        decided(client_app, "warn_author", "remove_content", content_id=f"c-{number}")
    platform.behave = lambda document: (200, b"")
    make_due()
    work()
    warnings = [data for data in sent(platform) if data["action"] == "warn_author"]
    assert [data["sequence"] for data in warnings] == [1, 2, 3, 4]
    assert len(platform.actions) == 8
    assert all(case.status == "completed" for case in Case.objects.all())


# --- delivery ----------------------------------------------------------------------------------------------------


def test_a_failing_delivery_is_tried_again_with_the_same_webhook_id_and_shown(
    client_app: App, platform: Platform
) -> None:
    platform.behave = lambda document: (503, b"")
    case_id = decided(client_app, "remove_content")
    action = client_app.case(case_id)["actions"][0]
    assert (action["status"], action["attempts"]) == ("planned", 1)
    assert "503" in action["last_error"]
    for wait in webhooks.RETRY_SECONDS[1:]:
        make_due()
        work()
        order = Order.objects.annotate(wait=F("due_at") - Now()).get()
        assert abs(order.wait.total_seconds() - wait) < 3
    platform.behave = lambda document: (200, b"")
    make_due()
    work()
    assert client_app.case(case_id)["status"] == "completed"
    assert len(platform.tries()) == 1
    assert platform.tries().total() == len(webhooks.RETRY_SECONDS) + 1


def test_a_redirect_is_a_failure_and_is_not_followed(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (302, b"")
    case_id = decided(client_app, "remove_content")
    assert client_app.statuses(case_id) == [("remove_content", "planned")]


def test_the_first_success_makes_all_waiting_orders_due(client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    cases = [decided(client_app, "remove_content", author_id=f"a{number}") for number in range(5)]
    Order.objects.update(due_at=Now() + timedelta(hours=6))
    platform.behave = lambda document: (200, b"")
    assert webhooks.probe_failing_endpoints() == 0, "it was tried only a moment ago"
    client_app.client.__class__.objects.update(tried_at=Now() - timedelta(seconds=31))
    assert webhooks.probe_failing_endpoints() == 1
    work()
    assert [client_app.case(case_id)["status"] for case_id in cases] == ["completed"] * 5


def test_a_dead_endpoint_never_keeps_a_person_from_a_second_review(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    platform.behave = lambda document: (500, b"")
    taken_back(client_app, case_id)
    assert client_app.case(case_id)["status"] == "rolling_back"
    assert closing.reopen_overdue() == 0
    Case.objects.update(moved_at=Now() - timedelta(minutes=11))
    assert closing.reopen_overdue() == 1
    assert (client_app.case(case_id)["status"], client_app.case(case_id)["round"]) == ("pending_review", 2)
    assert client_app.statuses(case_id) == [("remove_content", "reversing")]
    platform.behave = lambda document: (200, b"")
    make_due()
    work()
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


def test_a_reversal_the_platform_refuses_is_shown_and_does_not_block(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    platform.behave = lambda document: (200, b'{"result": "refused", "detail": "Deleted long ago."}')
    taken_back(client_app, case_id)
    action = client_app.case(case_id)["actions"][0]
    assert action["status"] == OrderStatus.REFUSED
    assert "Deleted long ago." in action["last_error"]
    assert client_app.case(case_id)["status"] == "pending_review"


def test_an_undone_second_decision_leaves_the_first_in_force(client_app: App, platform: Platform) -> None:
    first = decided(client_app, "remove_content")
    client_app.roll_back(first, keep_in_force=True)
    work()
    case = review.claim(uuid.UUID(first), by=console(ben()))
    ruling = Ruling(outcome="no_violation")
    review.decide(case.pk, ruling, by=console(ben()), claim_token=str(case.claim_token))
    work()
    assert client_app.case(first)["decision"]["decided_by"] == "ben", "its undo window is open"
    review.undo(case.pk, by=console(ben()))
    told = client_app.case(first)
    assert (told["status"], told["round"], told["decision"]["decided_by"]) == ("pending_review", 2, "Ana")
    assert platform.actions == ["remove_content"]
    assert client_app.get("effects/", content_id=told["content_id"]).json()["results"][0]["action"] == "remove_content"
