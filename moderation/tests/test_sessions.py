"""Sessions end: half an hour after the last thing that was done, and twelve hours after they began."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from moderation.sessions import SessionStore
from moderation.tests.moderators import Moderator, plain, sql
from moderation.tests.people import ana, sue

pytest_plugins = ["moderation.tests.moderators"]


def pass_time(seconds: float) -> None:
    """For every session; its beginning stands in its data."""
    sql("UPDATE django_session SET expire_date = expire_date - %s * interval '1 second'", seconds)
    for row in Session.objects.all():
        store = SessionStore(row.session_key)
        data = store.decode(row.session_data)
        data["_began"] -= seconds
        Session.objects.filter(pk=row.pk).update(session_data=store.encode(data))


def left(answer: Any) -> int:
    return int(answer["X-Guardian-Session"])


def is_in(browser: Browser) -> bool:
    return browser.get("/session/").status_code == 204


def test_who_does_nothing_for_half_an_hour_is_out_and_comes_back_to_the_page(case_id: str) -> None:
    moderator = Moderator(ana())
    assert moderator.look(case_id).status_code == 200
    pass_time(29 * 60)
    assert moderator.look(case_id).status_code == 200
    pass_time(29 * 60)
    assert moderator.look(case_id).status_code == 200
    pass_time(30 * 60)
    answer = moderator.look(case_id)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next=/console/cases/{case_id}/")


def test_after_twelve_hours_everybody_is_out_whatever_they_did(database: None) -> None:
    browser = Moderator(ana()).browser
    for _ in range(35):
        pass_time(20 * 60)
        assert browser.get("/console/").status_code == 200
    pass_time(19 * 60)
    assert 30 <= left(browser.get("/console/")) <= 60  # half an hour would be more than there is
    pass_time(61)
    assert browser.get("/console/").status_code == 302


def test_beats_and_looks_are_no_activity_and_a_press_is_one(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    page = moderator.do("claim", case_id).content.decode()
    token = moderator.ticket(case_id)["claim_token"]
    assert token in page
    pass_time(1000)
    by_themselves = [
        moderator.do("heartbeat", case_id, claim_token=token),
        moderator.browser.get("/console/news/", {"since": "2026-01-01T00:00:00+00:00"}),
        moderator.browser.get(f"/console/cases/{case_id}/", {"seen": "x"}),
        moderator.browser.get("/session/"),
    ]
    for answer in by_themselves:
        assert answer.status_code in (200, 204)
        assert 795 <= left(answer) <= 800
    assert left(moderator.browser.post("/session/")) >= 1795
    pass_time(1000)
    assert left(moderator.do("release", case_id)) >= 1795
    pass_time(1000)
    assert left(Moderator(sue()).browser.get("/admin/")) >= 1795


def test_activity_is_kept_to_the_minute_and_costs_no_statement_in_between(database: None) -> None:
    browser = Moderator(ana()).browser
    browser.get("/console/")
    with CaptureQueriesContext(connection) as first:
        browser.get("/console/")
    assert not [query for query in first if "UPDATE" in query["sql"] and "django_session" in query["sql"]]
    pass_time(50)
    with CaptureQueriesContext(connection) as same_minute:
        assert 1740 <= left(browser.get("/console/")) <= 1751
    assert len(same_minute) == len(first)
    pass_time(11)
    with CaptureQueriesContext(connection) as later:
        assert left(browser.get("/console/")) >= 1799
    assert len(later) == len(first) + 1


def test_an_end_is_an_end_by_the_clock_of_the_database(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server an hour ahead, or behind, lets the same people in."""
    from datetime import timedelta

    from django.utils import timezone

    browser = Moderator(ana()).browser
    now = timezone.now
    for hours in (1, -1):
        monkeypatch.setattr(timezone, "now", lambda hours=hours: now() + timedelta(hours=hours))
        assert is_in(browser)
        pass_time(100)
        assert left(browser.get("/console/")) >= 1795


def test_what_is_typed_stays_when_the_session_has_ended(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    page = plain(moderator.browser.get(f"/console/cases/{case_id}/", headers={"hx-request": ""}))
    assert 'role="status"' in page
    assert "Stay logged in" in page
    assert "What you typed is still here" in page
    sql("DELETE FROM django_session")
    answer = moderator.do("claim", case_id)
    assert (answer.status_code, answer.content) == (401, b"")
    assert moderator.browser.get("/session/").status_code == 401


def test_one_logs_out_in_every_browser_at_once(database: None) -> None:
    here, there, other = Moderator(ana()).browser, Moderator(ana()).browser, Moderator(sue()).browser
    assert "Log out in every browser" in plain(here.get("/console/"))
    answer = here.post("/logout/everywhere/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert not is_in(here)
    assert not is_in(there)
    assert is_in(other)
    again = Moderator(ana()).browser
    assert is_in(again)
    assert here.get("/logout/everywhere/").status_code == 405


def test_a_supervisor_logs_somebody_out_in_every_browser(database: None) -> None:
    there, supervisor = Moderator(ana()).browser, Moderator(sue()).browser
    fields = {"action": "log_out_everywhere", "_selected_action": [str(ana().pk)]}
    page = supervisor.post("/admin/moderation/user/", fields, follow=True)
    assert "Ana is logged out in every browser." in plain(page)
    assert not is_in(there)
    assert is_in(supervisor)


def test_a_moderator_at_the_admin_is_led_back_to_the_console_and_a_stranger_to_the_one_log_in_page(
    database: None,
) -> None:
    moderator = Moderator(ana()).browser
    for path in ("/admin/", "/admin/moderation/case/", "/admin/login/?next=/admin/"):
        page = moderator.get(path, follow=True)
        assert page.redirect_chain[-1][0] == "/console/"
        assert "The administration is for supervisors" in plain(page)
    stranger = Browser()
    for path in ("/admin/", "/admin/moderation/case/"):
        answer = stranger.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")
    assert 'id="login-title"' in plain(stranger.get("/admin/login/"))


def test_ended_sessions_are_removed_by_the_databases_clock(database: None) -> None:
    Moderator(ana())
    Moderator(sue())
    sql(
        "UPDATE django_session SET expire_date = now() - interval '1 second'"
        " WHERE session_key = (SELECT min(session_key) FROM django_session)"
    )
    SessionStore.clear_expired()
    assert Session.objects.count() == 1
