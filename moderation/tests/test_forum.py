"""The demo's forum: a client app that speaks to Guardian over HTTP and does what its webhooks say, once each."""

from __future__ import annotations

import ast
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import include, path
from django.utils import timezone
from pytest_django import Settings

from moderation import signing
from moderation.demo.client import TRIES, Guardian, GuardianError
from moderation.demo.models import Appeal, Author, Bookmark, Post, Receipt, Verdict
from moderation.models import Client, Notice, Order
from moderation.services.orders.announcements import place
from moderation.states import AppealStatus
from moderation.tests.people import RUDE, App, app, work
from moderation.urls import handler404, handler500
from moderation.urls import urlpatterns as house_urls

urlpatterns = [*house_urls, path("demo/", include("moderation.demo.urls"))]
__all__ = ["handler404", "handler500"]

SECRET = signing.new_secret()
UNDONE = {
    "remove_content": ("restore_content", "is_removed"),
    "limit_visibility": ("restore_visibility", "is_limited"),
    "age_gate": ("remove_age_gate", "is_age_gated"),
    "label_content": ("unlabel_content", "is_labelled"),
}


class StandIn:
    """Guardian's API as the forum sees it: remembers what it was asked, answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any], dict[str, str]]] = []
        self.answer: tuple[int, dict[str, Any]] = (202, {"id": "case-1", "status": "pending_analysis", "round": 1})
        self.first: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._do("GET")

            def do_POST(self) -> None:
                self._do("POST")

            def _do(self, method: str) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stand_in.asked.append((method, self.path, json.loads(sent or b"{}"), headers))
                more: dict[str, str] = {}
                if stand_in.first:
                    status, document, more = stand_in.first.pop(0)
                else:
                    status, document = stand_in.answer
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v1/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def guardian(database: None, settings: Settings) -> Iterator[StandIn]:
    running = StandIn()
    settings.ROOT_URLCONF = __name__
    settings.DEMO = True
    settings.FORUM_API_URL = running.url
    settings.FORUM_API_KEY = "gk_the-key"
    settings.FORUM_WEBHOOK_SECRET = SECRET
    yield running
    running.close()


def a_post(author: str = "kevin", text: str = "You are a loser.") -> Post:
    return Post.objects.create(author=Author.objects.get_or_create(name=author)[0], text=text, language="en")


def deliver(document: dict[str, Any], *, webhook_id: str = "", secret: str = SECRET, at: datetime | None = None) -> Any:
    body = json.dumps(document).encode()
    headers = signing.sign([secret], webhook_id or str(uuid.uuid4()), at or timezone.now(), body)
    return Browser(enforce_csrf_checks=True).post(
        "/demo/webhooks/", body, content_type="application/json", headers=headers
    )


def order(action: str, post: Post, *, reverse: bool = False, **more: Any) -> dict[str, Any]:
    data = {
        "order_id": str(uuid.uuid4()),
        "action": action,
        "params": {},
        "case_id": "case-1",
        "content_id": post.content_id,
        "author_id": post.author.name,
        "decision_id": "decision-1",
        "sequence": 1,
        **more,
    }
    return {"type": "action.reverse" if reverse else "action.apply", "timestamp": "2026-01-01T00:00:00Z", "data": data}


def result_of(response: HttpResponse) -> str:
    assert response.status_code == 200, response.content
    return str(json.loads(response.content)["result"])


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


# --- notices -----------------------------------------------------------------------------------------------------


def about_case(kind: str, post: Post, version: int, **more: Any) -> dict[str, Any]:
    completed = kind == "case.completed"
    data = {
        "case_id": "case-1",
        "content_id": post.content_id,
        "author_id": post.author.name,
        "status": "completed" if completed else "pending_review",
        "outcome": "violation" if completed else None,
        "round": 1 if completed else 2,
        "version": version,
        **({"reporters": [], "statement": {"reason": "It insults somebody."}} if completed else {}),
        **more,
    }
    return {"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data}


def about_appeal(kind: str, post: Post, status: str, **more: Any) -> dict[str, Any]:
    data = {
        "appeal_id": "appeal-1",
        "case_id": "case-1",
        "content_id": post.content_id,
        "appellant_id": "kevin",
        "side": "author",
        "status": status,
        "answer": None,
        **more,
    }
    return {"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data}


def test_how_a_case_ended_is_kept_with_its_reason_whatever_comes_when(guardian: StandIn) -> None:
    post = a_post()
    assert result_of(deliver(about_case("case.completed", post, 4), webhook_id="one")) == "applied"
    assert result_of(deliver(about_case("case.completed", post, 4), webhook_id="one")) == "already"
    kept = Verdict.objects.get()
    assert (kept.outcome, kept.reason, kept.post) == ("violation", "It insults somebody.", post)
    assert Post.objects.get().case_id == "case-1"  # the forum had not heard its own request's answer

    again = {"outcome": "no_violation", "round": 2, "statement": {"reason": "It was a quotation."}}
    deliver(about_case("case.completed", post, 8, **again))
    deliver(about_case("case.reopened", post, 6))
    kept.refresh_from_db()
    assert (kept.outcome, kept.round, kept.reason) == ("no_violation", 2, "It was a quotation.")

    deliver(about_case("case.reopened", post, 10, round=3))
    kept.refresh_from_db()
    assert (kept.status, kept.outcome, kept.reason) == ("pending_review", "", "It was a quotation.")
    assert not Receipt.objects.exclude(action="").exists()
    assert "It was a quotation." in Browser().get(f"/demo/posts/{post.content_id}/").content.decode()


def test_an_appeal_keeps_its_answer_whatever_comes_when(guardian: StandIn) -> None:
    post = a_post()
    deliver(about_appeal("appeal.decided", post, "granted", answer="You were <b>right</b>."))
    deliver(about_appeal("appeal.received", post, "submitted"))
    kept = Appeal.objects.get()
    assert (kept.person, kept.side, kept.status, kept.answer) == (
        "kevin",
        "author",
        "granted",
        "You were <b>right</b>.",
    )
    page = Browser().get(f"/demo/posts/{post.content_id}/").content.decode()
    assert "The appeal was granted." in page
    assert "You were &lt;b&gt;right&lt;/b&gt;." in page


def test_a_reopened_case_has_its_appeals_under_review(guardian: StandIn) -> None:
    post = a_post()
    deliver(about_appeal("appeal.received", post, "submitted"))
    deliver(about_case("case.reopened", post, 6))
    assert Appeal.objects.get().status == "under_review"


def test_notices_about_what_is_not_here_or_not_as_documented(guardian: StandIn) -> None:
    post = a_post()
    stranger = Post(content_id="never-seen", author=Author(name="nobody"))
    assert result_of(deliver(about_case("case.completed", stranger, 1))) == "already"
    assert result_of(deliver(about_case("case.review_requested", post, 1))) == "already"
    assert result_of(deliver({"type": "ping", "timestamp": "x", "data": {}})) == "already"
    assert deliver({"type": "case.completed", "data": None}).status_code == 400
    assert deliver(about_case("case.completed", post, "new")).status_code == 400  # type: ignore[arg-type]
    assert deliver(about_appeal("appeal.decided", post, None)).status_code == 400  # type: ignore[arg-type]
    assert not Receipt.objects.exists()


# --- appeals, against what a stand-in says ------------------------------------------------------------------------

KEY = "0b1f6d2a-8d5d-4b7e-9d55-7a3f1c0de001"


def an_appeal(**more: str) -> dict[str, str]:
    return {"name": "kevin", "statement": "I was quoting.", "language": "en", "key": KEY, **more}


def the_form(page: str) -> str:
    return page[page.index("Appeal the decision") : page.index("Report this post")]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "not_a_party", "Only whoever wrote this post"),
        (409, "already_appealed", "You have appealed this decision already"),
        (409, "window_closed", "is over"),
        (409, "final", "This decision is final"),
        (409, "illegal_move", "Try again in a moment"),
        (422, "unacceptable", "Your appeal was not taken: Said so."),
    ],
)
def test_a_refused_appeal_is_told_kindly_and_loses_nothing(
    guardian: StandIn, status: int, code: str, words: str
) -> None:
    post = a_post()
    deliver(about_case("case.completed", post, 4))
    guardian.answer = (status, {"title": "No", "detail": "Said so.", "code": code})
    answer = Browser().post(f"/demo/posts/{post.content_id}/appeal/", an_appeal())
    assert answer.status_code == status
    form = the_form(answer.content.decode())
    assert words in form
    assert "I was quoting." in form
    assert KEY not in form, "what is sent next is another request"
    assert not Appeal.objects.exists()


def test_an_appeal_that_did_not_get_through_is_sent_again_under_its_key(guardian: StandIn) -> None:
    post = a_post()
    deliver(about_case("case.completed", post, 4))
    guardian.close()
    answer = Browser().post(f"/demo/posts/{post.content_id}/appeal/", an_appeal())
    assert answer.status_code == 503
    assert KEY in the_form(answer.content.decode())


def test_what_cannot_be_an_appeal_is_not_sent(guardian: StandIn) -> None:
    post = a_post()
    assert "Appeal the decision" not in Browser().get(f"/demo/posts/{post.content_id}/").content.decode()
    assert Browser().post(f"/demo/posts/{post.content_id}/appeal/", an_appeal()).status_code == 404
    deliver(about_case("case.completed", post, 4))
    guardian.answer = (200, {"id": "case-1", "status": "completed", "outcome": "violation", "round": 1})
    for wrong in ({"statement": " "}, {"name": ""}, {"language": "xx"}, {"key": "no-key"}, {"statement": "a\x00b"}):
        assert Browser().post(f"/demo/posts/{post.content_id}/appeal/", an_appeal(**wrong)).status_code == 422
    assert not [path for _, path, _, _ in guardian.asked if path.endswith("/appeals/")]


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


# --- with the real Guardian, over real HTTP -----------------------------------------------------------------------


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadedWSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        connection.close()


@pytest.fixture
def house(database: None, settings: Settings) -> Iterator[App]:
    """Guardian and the forum on one port, the forum's key and secret as Guardian has them."""
    settings.ROOT_URLCONF = __name__
    settings.DEMO = settings.ALLOW_LOOPBACK_WEBHOOKS = True
    server = Server(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    made = app(webhook_url=f"{url}/demo/webhooks/")
    settings.FORUM_API_URL, settings.FORUM_API_KEY = f"{url}/api/v1/", made.api_key
    settings.FORUM_WEBHOOK_SECRET = made.secret
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def write(browser: Browser, name: str = "kevin", text: str = RUDE) -> Post:
    assert browser.post("/demo/new/", {"name": name, "text": text, "language": "en"}).status_code == 302
    work()
    return Post.objects.latest("id")


def decide(house: App, post: Post, *actions: Any, by: str = "Ana", reason: str = "It insults.", **more: Any) -> None:
    answer = house.decide(post.case_id, *actions, by=by, reason=reason, **more)
    assert answer.status_code == 202, answer.content
    work()


def appeal(browser: Browser, post: Post, **more: str) -> Any:
    page = browser.get(f"/demo/posts/{post.content_id}/").content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None, "no form"
    sent = an_appeal(**{"key": key[1], **more})
    return browser.post(f"/demo/posts/{post.content_id}/appeal/", sent, follow=True)


def test_an_author_appeals_in_the_forum_and_reads_the_answer_there(house: App) -> None:
    kevin, somebody = Browser(), Browser()
    post = write(kevin)
    address = f"/demo/posts/{post.content_id}/"
    assert "Appeal the decision" not in kevin.get(address).content.decode()
    decide(house, post, "remove_content")
    assert Post.objects.get().is_removed
    assert "It insults." in somebody.get(address).content.decode()

    answer = appeal(kevin, post)
    assert "Your appeal was received." in answer.content.decode()
    kept = Appeal.objects.get()
    assert kept.status_url in answer.content.decode()
    assert kept.statement in answer.content.decode()
    assert kept.status_url not in somebody.get(address).content.decode()
    assert "I was quoting." in Browser().get(urlsplit(kept.status_url).path).content.decode()
    work()
    assert not Post.objects.get().is_removed
    assert "A second moderator looks at it." in somebody.get(address).content.decode()
    assert "Appeal the decision" not in kevin.get(address).content.decode()
    refused = appeal(somebody, post, statement="And another thing.")
    assert (refused.status_code, Appeal.objects.count()) == (409, 1)
    assert "You have appealed this decision already" in refused.content.decode()

    decide(house, post, by="Ben", outcome="no_violation", reason="It was a quotation indeed.")
    page = Browser().get(address).content.decode()
    assert "The appeal was granted." in page
    assert page.count("It was a quotation indeed.") == 2  # as the reason of the decision, and as the answer
    assert "A moderator found nothing wrong with it." in page


def test_a_reporter_appeals_and_a_stranger_cannot(house: App) -> None:
    browser = Browser()
    post = write(Browser())
    browser.post(f"/demo/posts/{post.content_id}/report/", {"reporter": "Ben", "reason": "Rude."})
    decide(house, post, outcome="no_violation", reason="Rough, but no more.")
    refused = appeal(browser, post, name="Zoe")
    assert (refused.status_code, Appeal.objects.count()) == (403, 0)
    assert "Only whoever wrote this post" in refused.content.decode()
    assert 'value="Zoe"' in the_form(browser.get(f"/demo/posts/{post.content_id}/").content.decode())
    answer = appeal(browser, post, name="Ben")
    assert Appeal.objects.get().side == "reporter"
    assert Appeal.objects.get().status_url in answer.content.decode()
    work()
    decide(house, post, "label_content", by="Bob", reason="A label is in place.")
    assert Appeal.objects.get().status == AppealStatus.GRANTED
    assert Post.objects.get().is_labelled


def test_a_double_click_appeals_once(house: App) -> None:
    kevin = Browser()
    post = write(kevin)
    decide(house, post, "remove_content")
    for _ in range(2):
        sent = kevin.post(f"/demo/posts/{post.content_id}/appeal/", an_appeal(), follow=True)
        assert "Your appeal was received." in sent.content.decode()
    assert Appeal.objects.count() == 1


def test_the_client_reads_appeals_feed_and_effects(house: App, settings: Settings) -> None:
    post = write(Browser())
    decide(house, post, "remove_content", {"action": "suspend_author", "params": {"days": 3}})
    client = Guardian(settings.FORUM_API_URL, settings.FORUM_API_KEY)
    appeal = client.appeal(post.case_id, appellant_id="kevin", statement="No.", language="en")
    assert client.get_appeal(appeal.id) == appeal
    assert (appeal.status, appeal.side, appeal.answer) == ("submitted", "author", "")
    place()
    read = client.events()
    assert [event.type for event in read][:4] == [
        "case.review_requested",
        "action.apply",
        "action.apply",
        "case.completed",
    ]
    assert client.events(read[-1].position) == []
    assert client.events(read[0].position)[0] == read[1]
    client.close()


def test_catching_up_repairs_what_no_webhook_told(house: App) -> None:
    kevin = Browser()
    post = write(kevin)
    Client.objects.filter(pk=house.client.pk).update(webhook_url="http://127.0.0.1:9/")
    decide(house, post, "remove_content", {"action": "suspend_author", "params": {"days": 3}}, "warn_author")
    assert not Post.objects.get().is_removed
    assert not Verdict.objects.exists()
    place()
    said = kevin.post("/demo/orders/", follow=True).content.decode()
    assert "Things put right: 2." in said  # the post, the author
    assert Post.objects.get().is_removed
    suspended = Author.objects.get().suspension_ends()
    assert suspended is not None
    assert Bookmark.objects.get().position > 0
    assert "Announcements read: 0. Things put right: 0." in kevin.post("/demo/orders/", follow=True).content.decode()

    # The webhooks come after all: nothing is done twice, and the case goes on.
    Client.objects.filter(pk=house.client.pk).update(webhook_url=house.client.webhook_url)
    catch_all(house)
    assert house.statuses(post.case_id) == [
        ("remove_content", "already"),
        ("suspend_author", "applied"),
        ("warn_author", "applied"),
    ]
    assert (Author.objects.get().suspension_ends(), Author.objects.get().warnings) == (suspended, 1)
    assert Verdict.objects.get().outcome == "violation"

    # And back, while webhooks are lost again: the feed has the notices, effects/ what is in force.
    Client.objects.filter(pk=house.client.pk).update(webhook_url="")
    assert house.roll_back(post.case_id).status_code == 202
    work()
    place()
    kevin.post("/demo/orders/")
    assert not Post.objects.get().is_removed
    assert Author.objects.get().suspension_ends() is None


def catch_all(house: App) -> None:
    """Deliver what waits, whatever its next try's time; the endpoint's first success makes the rest due."""
    for rows in (Order.objects, Notice.objects):
        rows.filter(client=house.client).update(due_at=timezone.now(), published_until=None)
    work()


def test_an_older_answer_never_replaces_a_webhook_that_came_in_between(
    house: App, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = write(Browser())
    decide(house, post, "remove_content")
    place()
    truthful = Guardian.effects
    late: list[str] = []

    def effects(self: Guardian, **about: str) -> Any:
        said = truthful(self, **about)
        if about.get("content_id") and not late:  # our question is answered, and then a webhook overtakes it
            late.append("reversal")
            assert house.roll_back(post.case_id).status_code == 202
            work()
            assert not Post.objects.get().is_removed
        return said

    monkeypatch.setattr(Guardian, "effects", effects)
    Browser().post("/demo/orders/")
    assert late
    assert not Post.objects.get().is_removed


def test_catching_up_says_kindly_when_guardian_is_away(guardian: StandIn) -> None:
    guardian.close()
    assert "Not everything could be read" in Browser().post("/demo/orders/", follow=True).content.decode()
