"""What the console's pages tell, at which price, and in which words."""

from __future__ import annotations

import html
import re
import uuid

import pytest
from django.utils import translation

from moderation.console import words
from moderation.models import Assessment, Case, Event, Run
from moderation.tests.moderators import Moderator, queries, sql
from moderation.tests.people import RUDE, App, ana, app, ben, work
from moderation.tests.platform import Platform

pytest_plugins = ["moderation.tests.moderators"]

# --- what the page tells -----------------------------------------------------------------------------------------


def test_agreeing_fills_in_what_the_agent_recommends(case_id: str) -> None:
    moderator = Moderator(ana())
    moderator.do("claim", case_id)
    page = moderator.look(case_id).content.decode()
    assert not re.search(r'name="(outcome|actions|policies)" value="\w+" checked', page)
    page = moderator.browser.get(f"/console/cases/{case_id}/?agree=1").content.decode()
    ticked = re.findall(r'name="(\w+)" value="([\w-]+)" checked', page)
    assert ticked == [("outcome", "violation"), ("actions", "remove_content"), ("policies", "harassment")]
    assert "Nobody may insult" in page


def test_a_failed_analysis_says_why_and_can_be_decided_without_it(case_id: str) -> None:
    Assessment.objects.all().delete()
    Run.objects.filter(kind="start").update(failure="The model gave no answer.")
    moderator = Moderator(ana())
    page = moderator.look(case_id).content.decode()
    assert "The agent failed" in page
    assert "The model gave no answer." in page
    assert "no answer from the agent" in moderator.browser.get("/console/").content.decode()
    moderator.do("claim", case_id)
    assert 'id="agree"' not in moderator.look(case_id).content.decode()
    assert moderator.decide(case_id).status_code == 302


def test_a_failing_delivery_and_a_leg_that_fails_are_shown(case_id: str, client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    client_app.decide(case_id, "remove_content", "warn_author", by="Cleo")
    work()
    page = html.unescape(Moderator(ana()).look(case_id).content.decode())
    assert "Delivery keeps failing" in page
    assert "Tried again in" in page or "Tried again now" in page
    assert "The endpoint answered 500." in page
    assert "Waits for the order before it." in page
    sql("UPDATE moderation_run SET done_at = NULL, attempts = 3, last_error = 'Boom' WHERE kind = 'resume'")
    page = Moderator(ana()).look(case_id).content.decode()
    assert "Enforcement has failed 3 times and is tried again now. Last error: Boom" in page


def test_a_client_without_a_webhook_is_waited_for(database: None) -> None:
    pulling = app()
    case_id = pulling.start()
    work()
    pulling.decide(case_id, "remove_content", by="Cleo")
    work()
    page = Moderator(ana()).look(case_id).content.decode()
    assert "Waits for the client, which has not fetched it yet." in page


def test_a_page_that_looks_again_gets_nothing_while_nothing_has_changed(case_id: str, client_app: App) -> None:
    moderator = Moderator(ana(), htmx=True)
    seen = re.search(r"\?seen=(\w+)", moderator.look(case_id).content.decode())
    assert seen is not None
    path = f"/console/cases/{case_id}/?seen={seen[1]}"
    assert moderator.browser.get(path).status_code == 204
    Moderator(ben()).do("claim", case_id)
    answer = moderator.browser.get(path)
    assert answer.status_code == 200
    assert "is reading this case" in answer.content.decode()


def test_the_queue_tells_what_is_new_without_moving_its_rows(client_app: App) -> None:
    moderator = Moderator(ana())
    empty = moderator.browser.get("/console/").content.decode()
    assert "Nothing waits for a human" in empty
    path = re.search(r'hx-get="(/console/news/\?since=[^"]+)"', empty)
    assert path is not None
    assert moderator.browser.get(path[1]).content.strip() == b""
    client_app.start()
    client_app.start()
    assert "being analysed" in moderator.browser.get("/console/").content.decode()
    work()
    assert "2 new cases" in moderator.browser.get(path[1]).content.decode()
    for since in ("", "x", "2026-13-45T00:00:00Z", "2026-01-01", "\x00"):
        assert moderator.browser.get("/console/news/", {"since": since}).content.strip() == b""


def test_the_queue_stands_in_the_order_of_urgency_and_says_lateness_in_words(client_app: App) -> None:
    calm, urgent = client_app.start(priority="low"), client_app.start(priority="urgent")
    work()
    sql("UPDATE moderation_case SET due_at = now() - interval '14 minutes' WHERE id = %s", uuid.UUID(calm))
    page = Moderator(ana()).browser.get("/console/").content.decode()
    assert page.index(urgent) < page.index(calm)
    assert "14 min late" in page
    assert "1 of them late" in page
    for number in ("2", "0", "-1", "x", "9" * 30, "²"):
        assert Moderator(ana()).browser.get("/console/", {"page": number}).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_cases(client_app: App) -> None:
    browser = Moderator(ana()).browser
    one = client_app.start(report={"reporter_id": "r", "reason": "x"})
    work()
    assert queries(browser, "/console/") == 6
    before = queries(browser, f"/console/cases/{one}/")
    for number in range(12):
        client_app.start(RUDE + str(number))
        client_app.start(
            RUDE, content_id=Case.objects.get(pk=one).content_id, report={"reporter_id": f"r{number}", "reason": "x"}
        )
    work(rounds=400)
    assert Case.objects.count() == 13
    assert queries(browser, "/console/") == 6
    client_app.decide(
        one, "remove_content", "suspend_author", "warn_author", by="Cleo", policies=["spam", "harassment"]
    )
    work()
    assert before == 12
    assert queries(browser, f"/console/cases/{one}/") == 14


def test_every_event_that_is_written_has_words(case_id: str, client_app: App) -> None:
    client_app.decide(case_id, "remove_content", by="Cleo")
    work()
    client_app.roll_back(case_id)
    work()
    for language in ("en", "de", "es"):
        with translation.override(language):
            for event in Event.objects.all():
                assert words.event(event) not in ("", event.type)


def test_the_language_can_be_changed(case_id: str) -> None:
    moderator = Moderator(ana())
    moderator.browser.post("/language/", {"language": "de", "next": "/console/"})
    page = moderator.browser.get("/console/").content.decode()
    assert '<html lang="de"' in page
    assert "Warteschlange" in page


@pytest.mark.parametrize("name", ["500.html", "503.html", "403_csrf.html"])
def test_the_pages_for_bad_days_need_neither_database_nor_request(name: str) -> None:
    from django.template.loader import get_template

    assert "Guardian" in get_template(name).render({})
