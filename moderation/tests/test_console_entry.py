"""Who gets into the console, and by which links."""

from __future__ import annotations

import uuid

from django.test import Client as Browser
from pytest_django import Settings

from moderation.console import login_links
from moderation.models import Case, User
from moderation.tests.moderators import Moderator
from moderation.tests.people import ana, sue

pytest_plugins = ["moderation.tests.moderators"]

# --- who gets in -------------------------------------------------------------------------------------------------


def test_nobody_gets_in_without_logging_in(case_id: str) -> None:
    stranger = Browser()
    for path in ("/console/", f"/console/cases/{case_id}/", "/console/news/"):
        answer = stranger.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")
    for verb in ("claim", "release", "heartbeat", "decide", "undo", "rollback"):
        answer = stranger.post(f"/console/cases/{case_id}/{verb}/")
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next=/console/cases/{case_id}/")
    # htmx would put the log-in page into the fragment, over what somebody has typed.
    assert stranger.post(f"/console/cases/{case_id}/claim/", headers={"hx-request": "true"}).status_code == 401
    assert Case.objects.get().claimed_by is None


def test_an_account_that_was_switched_off_is_out_at_once(case_id: str) -> None:
    moderator = Moderator(ana())
    User.objects.update(is_active=False)
    assert moderator.look(case_id).status_code == 302


def test_the_start_page_sends_everybody_to_their_place(database: None) -> None:
    assert Browser().get("/")["Location"] == "/login/"
    assert Moderator(ana()).browser.get("/")["Location"] == "/console/"
    assert Moderator(sue()).browser.get("/")["Location"] == "/admin/"


def test_pages_with_content_are_never_stored(case_id: str) -> None:
    for path in ("/console/", f"/console/cases/{case_id}/"):
        answer = Moderator(ana()).browser.get(path)
        assert answer["Cache-Control"] == "no-store"
        assert "HX-Request" in answer["Vary"]


def test_a_case_that_is_not_there_is_404_and_a_get_of_a_verb_405(case_id: str) -> None:
    moderator = Moderator(ana())
    assert moderator.look(str(uuid.uuid4())).status_code == 404
    assert moderator.do("claim", str(uuid.uuid4())).status_code == 404
    assert moderator.browser.get(f"/console/cases/{case_id}/decide/").status_code == 405


def test_forms_are_refused_without_their_csrf_token(case_id: str) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(ana())
    assert strict.post(f"/console/cases/{case_id}/claim/").status_code == 403
    assert Case.objects.get().claimed_by is None


# --- one-time links ----------------------------------------------------------------------------------------------


def test_a_login_link_works_once_in_the_demo_on_this_machine_only(database: None, settings: Settings) -> None:
    path = login_links.link_for(ana())
    assert Browser().get(path).status_code == 404
    settings.DEMO = True
    assert Browser(REMOTE_ADDR="192.0.2.7").get(path).status_code == 404
    browser = Browser(REMOTE_ADDR="::ffff:127.0.0.1")
    assert browser.get(path)["Location"] == "/"
    assert browser.get("/console/").status_code == 200
    again = Browser()
    assert again.get(path)["Location"] == "/login/"
    assert "used already" in again.get("/login/").content.decode()
    assert again.get("/console/").status_code == 302


def test_a_login_link_of_somebody_else_or_made_up_is_worth_nothing(database: None, settings: Settings) -> None:
    settings.DEMO = True
    path = login_links.link_for(ana())
    for bad in (path.replace(f"/{ana().pk}@", f"/{sue().pk}@"), "/login/link/x:y:z/", "/login/link/x/"):
        browser = Browser()
        assert browser.get(bad)["Location"] == "/login/"
        assert browser.get("/console/").status_code == 302
    User.objects.update(is_active=False)
    assert Browser().get(path)["Location"] == "/login/"
