"""The demo's forum: a client app that speaks to Guardian over HTTP and does what its webhooks say, once each."""

from __future__ import annotations

import ast
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from moderation import signing
from moderation.demo.client import TRIES, Guardian, GuardianError
from moderation.demo.models import Author, Post, Receipt
from moderation.tests.forum import UNDONE, StandIn, a_post, deliver, order, result_of

pytest_plugins = ["moderation.tests.forum"]

# --- it is a client app like any other ---------------------------------------------------------------------------


def test_the_forum_imports_nothing_of_the_house() -> None:
    allowed = {"django", "httpx2", "standardwebhooks"}
    for file in Path(__file__).parents[1].joinpath("demo").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith("moderation.demo")
                known = name.split(".")[0] in allowed or not name.startswith(("moderation", "agents", "queueing"))
                assert ours or known, f"{file.name} imports {name}"


def test_writing_a_post_publishes_it_and_asks_guardian(guardian: StandIn) -> None:
    answer = Browser().post("/demo/new/", {"name": "Anna", "text": "Hello <b>you</b>", "language": "de"}, follow=True)
    assert answer.status_code == 200
    written = Post.objects.get()
    method, path, body, headers = guardian.asked[0]
    assert (method, path, headers["authorization"]) == ("POST", "/api/v1/cases/", "Bearer gk_the-key")
    assert headers["idempotency-key"]
    assert body == {
        "content_id": written.content_id,
        "author_id": "Anna",
        "text": "Hello <b>you</b>",
        "language": "de",
        "content_type": "post",
        "priority": "normal",
        "url": f"http://testserver/demo/posts/{written.content_id}/",
    }
    assert written.case_id == "case-1"
    assert b"Hello &lt;b&gt;you&lt;/b&gt;" in answer.content


def test_a_post_stays_online_when_guardian_is_away_or_says_no(guardian: StandIn) -> None:
    guardian.answer = (
        422,
        {"title": "No", "detail": "Too long.", "errors": [{"pointer": "/text", "detail": "Cut it."}]},
    )
    answer = Browser().post("/demo/new/", {"name": "Anna", "text": "Hello", "language": "en"}, follow=True)
    assert "Too long. /text: Cut it." in answer.content.decode()
    guardian.close()
    answer = Browser().post("/demo/new/", {"name": "Anna", "text": "Hello again", "language": "en"}, follow=True)
    assert "The moderation service cannot be reached." in answer.content.decode()
    assert Post.objects.count() == 2
    assert Browser().get(f"/demo/posts/{Post.objects.latest('id').content_id}/").status_code == 200


def test_an_answer_that_is_no_json_is_said_kindly(guardian: StandIn) -> None:
    guardian.answer = (502, [])  # type: ignore[assignment]
    answer = Browser().post("/demo/new/", {"name": "Anna", "text": "Hello", "language": "en"}, follow=True)
    assert answer.status_code == 200
    assert "gave no clear answer" in answer.content.decode()


def test_reporting_a_post_passes_the_complaint_on(guardian: StandIn) -> None:
    post = a_post()
    Browser().post(f"/demo/posts/{post.content_id}/report/", {"reporter": "Ben", "reason": "Rude."})
    body = guardian.asked[0][2]
    assert (body["content_id"], body["text"], body["author_id"]) == (post.content_id, post.text, "kevin")
    assert body["report"] == {"reporter_id": "Ben", "reason": "Rude."}
    assert Browser().post(f"/demo/posts/{post.content_id}/report/", {"reporter": "Ben"}).status_code == 422


def test_the_pages_show_what_was_ordered(guardian: StandIn) -> None:
    post = a_post()
    Post.objects.update(case_id="case-1")
    deliver(order("remove_content", post))
    guardian.answer = (
        200,
        {
            "id": "case-1",
            "status": "completed",
            "outcome": "violation",
            "round": 1,
            "decision": {"reason": "It insults <i>somebody</i>."},
        },
    )
    page = Browser().get(f"/demo/posts/{post.content_id}/").content.decode()
    assert "This post was removed" in page
    assert post.text not in page
    assert "It insults &lt;i&gt;somebody&lt;/i&gt;." in page
    assert "remove_content" in Browser().get("/demo/orders/").content.decode()
    for address in ("/demo/", "/demo/new/", "/demo/?page=99", "/demo/orders/"):
        assert Browser().get(address).status_code == 200
    for address in ("/demo/posts/nothing/", "/demo/posts/a%00b/"):
        assert Browser().get(address).status_code == 404


# --- its webhooks ------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_not_genuine_is_refused_and_does_nothing(guardian: StandIn) -> None:
    post = a_post()
    document = order("remove_content", post)
    assert deliver(document, secret=signing.new_secret()).status_code == 401
    assert deliver(document, at=timezone.now() - timedelta(minutes=6)).status_code == 401
    assert Browser().post("/demo/webhooks/", json.dumps(document), content_type="application/json").status_code == 401
    now = str(int(datetime.now(UTC).timestamp()))
    for signature in ("v1", "v1,%%%", "nonsense", "v1,AAAA v2,"):
        headers = {"webhook-id": "x", "webhook-timestamp": now, "webhook-signature": signature}
        answer = Browser().post("/demo/webhooks/", b"\xff{}", content_type="application/json", headers=headers)
        assert answer.status_code == 401
    assert not Receipt.objects.exists()
    assert not Post.objects.get().is_removed


@pytest.mark.parametrize(("action", "reversal", "flag"), [(name, *what) for name, what in UNDONE.items()])
def test_content_orders_are_obeyed_and_taken_back(guardian: StandIn, action: str, reversal: str, flag: str) -> None:
    post = a_post()
    assert result_of(deliver(order(action, post))) == "applied"
    assert getattr(Post.objects.get(), flag)
    assert result_of(deliver(order(action, post))) == "already"
    assert result_of(deliver(order(reversal, post, reverse=True))) == "applied"
    assert not getattr(Post.objects.get(), flag)
    assert result_of(deliver(order(reversal, post, reverse=True))) == "already"


@pytest.mark.parametrize("late", ["apply", "reversal"])
def test_what_was_overtaken_is_not_done_and_says_so_each_time(guardian: StandIn, late: str) -> None:
    post = a_post()
    deliver(order("remove_content", post, sequence=5))
    if late == "apply":
        # The reversal takes the place of the apply it cancels: it has the same number and goes after it.
        assert result_of(deliver(order("restore_content", post, reverse=True, sequence=5))) == "applied"
        document = order("remove_content", post, sequence=5)
    else:
        document = order("restore_content", post, reverse=True, sequence=4)
    was = Post.objects.get().is_removed
    for _ in range(2):
        answer = deliver(document, webhook_id="late")
        assert answer.json() == {"result": "already", "detail": "overtaken"}
    assert Post.objects.get().is_removed is was is (late == "reversal")
    # Another effect on the same post, and another post, have their own marks.
    assert result_of(deliver(order("label_content", post, sequence=1))) == "applied"
    assert result_of(deliver(order("remove_content", a_post("anna"), sequence=1))) == "applied"
    assert deliver(order("remove_content", post, sequence="6")).status_code == 400


def test_a_suspension_that_was_overtaken_never_counts(guardian: StandIn) -> None:
    post = a_post()
    deliver(order("unsuspend_author", post, reverse=True, sequence=9))
    late = order("suspend_author", post, sequence=8, params={"expires_at": "2999-01-01T00:00:00Z"}, case_id="a")
    assert deliver(late).json()["detail"] == "overtaken"
    shorter = suspend(post, 7, case_id="b", sequence=10)
    assert suspended_until() == shorter


def test_what_the_forum_never_had_is_already_so(guardian: StandIn) -> None:
    stranger = Post(content_id="never-seen", author=Author(name="nobody"))
    for action in ("remove_content", "restore_content", "suspend_author", "unban_author", "warn_author"):
        assert result_of(deliver(order(action, stranger))) == "already"


def test_the_same_webhook_acts_once_and_gets_its_first_answer_again(guardian: StandIn) -> None:
    post = a_post()
    for _ in range(3):
        assert result_of(deliver(order("warn_author", post), webhook_id="one")) == "applied"
    assert Author.objects.get().warnings == 1
    assert Receipt.objects.count() == 1


def test_a_banned_author_cannot_write_until_the_ban_is_lifted(guardian: StandIn) -> None:
    post = a_post()
    assert result_of(deliver(order("ban_author", post))) == "applied"
    assert Browser().post("/demo/new/", {"name": "kevin", "text": "Hi", "language": "en"}).status_code == 403
    assert result_of(deliver(order("unban_author", post, reverse=True))) == "applied"
    assert Browser().post("/demo/new/", {"name": "kevin", "text": "Hi", "language": "en"}).status_code == 302


def suspend(post: Post, days: int, **more: Any) -> datetime:
    end = timezone.now() + timedelta(days=days)
    deliver(order("suspend_author", post, params={"days": days, "expires_at": end.isoformat()}, **more))
    return end


def suspended_until() -> datetime | None:
    return Author.objects.get().suspended_until


def test_a_suspension_ends_by_itself(guardian: StandIn) -> None:
    post = a_post()
    end = suspend(post, 7)
    assert suspended_until() == end
    assert Browser().post("/demo/new/", {"name": "kevin", "text": "Hi", "language": "en"}).status_code == 403
    Author.objects.update(suspended_until=timezone.now() - timedelta(seconds=1))
    assert Browser().post("/demo/new/", {"name": "kevin", "text": "Hi", "language": "en"}).status_code == 302


def test_of_two_suspensions_the_longest_counts_until_it_goes(guardian: StandIn) -> None:
    post = a_post()
    long = suspend(post, 30, case_id="a", decision_id="a1")
    short = suspend(post, 7, case_id="b", decision_id="b1")
    assert suspended_until() == long
    # The longer one goes: Guardian sends the other one's end again.
    again = order("suspend_author", post, case_id="b", decision_id="b1", params={"expires_at": short.isoformat()})
    assert result_of(deliver(again)) == "applied"
    assert suspended_until() == short
    assert result_of(deliver(order("unsuspend_author", post, reverse=True))) == "applied"
    assert suspended_until() is None


def test_a_second_review_may_shorten_a_suspension(guardian: StandIn) -> None:
    post = a_post()
    suspend(post, 30, case_id="a", decision_id="a1")
    shorter = suspend(post, 7, case_id="a", decision_id="a2")
    assert suspended_until() == shorter


def test_an_unknown_action_is_refused_and_a_notice_is_let_pass(guardian: StandIn) -> None:
    post = a_post()
    assert result_of(deliver(order("paint_it_blue", post))) == "refused"
    assert result_of(deliver({"type": "case.completed", "timestamp": "x", "data": {}})) == "already"
    assert deliver({"type": "action.apply", "data": {"action": 1}}).status_code == 400
    assert deliver({"type": "action.apply", "data": None}).status_code == 400
    bad_time = order("suspend_author", post, params={"expires_at": "2026-02-31T00:00:00Z"})
    assert deliver(bad_time).status_code == 400


def test_the_client_waits_as_long_as_it_is_asked_to_and_keeps_its_key(guardian: StandIn) -> None:
    client = Guardian(guardian.url, "gk_the-key")
    away = {"title": "Away", "detail": "Away.", "code": "database_away"}
    guardian.first = [(503, away, {"Retry-After": "1"}), (429, away, {"Retry-After": "0"})]
    began = time.monotonic()
    assert client.start(content_id="a", author_id="b", text="c").id == "case-1"
    assert 1 <= time.monotonic() - began < 3
    assert len(guardian.asked) == 3
    assert len({headers["idempotency-key"] for *_, headers in guardian.asked}) == 1
    assert len({json.dumps(body) for _, _, body, _ in guardian.asked}) == 1

    guardian.asked.clear()
    guardian.first = [(503, away, {"Retry-After": "0"})] * (TRIES + 1)
    with pytest.raises(GuardianError) as refused:
        client.case("case-1")
    assert (refused.value.status, refused.value.may_retry, len(guardian.asked)) == (503, True, TRIES)
    for status, wait in ((429, "60"), (500, "0"), (409, "0")):
        guardian.asked.clear()
        guardian.first = [(status, away, {"Retry-After": wait})]
        with pytest.raises(GuardianError):
            client.case("case-1")
        assert len(guardian.asked) == 1, (status, wait)
    client.close()


def test_catching_up_says_kindly_when_guardian_is_away(guardian: StandIn) -> None:
    guardian.close()
    assert "Not everything could be read" in Browser().post("/demo/orders/", follow=True).content.decode()
