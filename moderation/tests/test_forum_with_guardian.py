"""The demo's forum with the real Guardian, over real HTTP."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from moderation import outbound
from moderation.demo.client import Guardian
from moderation.demo.models import Appeal, Author, Bookmark, Post, Verdict
from moderation.models import Client, Notice, Order
from moderation.services.orders import delivery, webhooks
from moderation.services.orders.announcements import place
from moderation.states import AppealStatus
from moderation.tests.forum import an_appeal, the_form
from moderation.tests.people import RUDE, App, work

pytest_plugins = ["moderation.tests.forum"]


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


def test_an_answer_that_was_lost_to_an_apply_is_made_good_by_the_rollback(
    house: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = write(Browser())
    truthful, lost = outbound.post, []

    def post_and_lose(*args: Any, **options: Any) -> outbound.Answer:
        answer = truthful(*args, **options)
        if b"remove_content" in options["body"] and not lost:
            lost.append(answer)
            error = outbound.OutboundError("timeout", "The forum did not answer completely in time.")
            error.sent = True
            raise error
        return answer

    monkeypatch.setattr(outbound, "post", post_and_lose)
    decide(house, post, "remove_content")
    assert lost
    assert Post.objects.get().is_removed
    assert house.statuses(post.case_id) == [("remove_content", "planned")]
    assert house.roll_back(post.case_id).status_code == 202
    catch_all(house)
    assert not Post.objects.get().is_removed
    assert house.statuses(post.case_id) == [("remove_content", "reversed")]


def test_an_order_that_comes_after_catching_up_is_overtaken(house: App) -> None:
    kevin = Browser()
    post = write(kevin)
    Client.objects.filter(pk=house.client.pk).update(webhook_url="http://127.0.0.1:9/")
    decide(house, post, "remove_content")
    order = delivery.take(catch_due(post.case_id))
    assert order is not None  # a worker has it, and stands still
    assert house.roll_back(post.case_id).status_code == 202
    work()
    place()
    kevin.post("/demo/orders/")
    Client.objects.filter(pk=house.client.pk).update(webhook_url=house.client.webhook_url)
    order.client.webhook_url = house.client.webhook_url
    reply = webhooks.post(order.client, order.pk, order.notice.document)
    assert (reply.result, reply.detail) == ("already", "overtaken")
    assert not Post.objects.get().is_removed
    delivery.record(order, reply)
    assert Order.objects.filter(undoes=order).count() == 1


def catch_due(case_id: str) -> Any:
    """The case's first order, due now."""
    Order.objects.filter(case_id=case_id).update(due_at=timezone.now())
    return Order.objects.filter(case_id=case_id).earliest("place").pk


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
