"""The demo's forum: what it hears of cases and appeals, and appeals it sends."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from moderation.demo.models import Appeal, Author, Post, Receipt, Verdict
from moderation.tests.forum import (
    KEY,
    StandIn,
    a_post,
    about_appeal,
    about_case,
    an_appeal,
    deliver,
    result_of,
    the_form,
)

pytest_plugins = ["moderation.tests.forum"]


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
