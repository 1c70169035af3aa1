"""The public page of an appeal."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from moderation.models import Appeal
from moderation.tests.appealing import AUTHOR, appeal, decided
from moderation.tests.moderators import Moderator, plain, queries
from moderation.tests.people import App, sue, work

# --- the public page ---------------------------------------------------------------------------------------------


def public(client_app: App, case_id: str, who: str = AUTHOR, **fields: Any) -> str:
    url: str = appeal(client_app, case_id, who, **fields).json()["status_url"]
    work()
    return url.removeprefix("http://testserver")


def test_strangers_see_no_console_and_choose_their_language_by_a_link(client_app: App) -> None:
    path = public(client_app, decided(client_app, "remove_content"), language="en")
    supervisor = Moderator(sue()).browser
    for browser in (Browser(), supervisor):
        page = browser.get(path).content.decode()
        for hidden in ("/console/", "/admin/", "/login/", "/language/", "/logout/", "<form", "<script", "Analyst"):
            assert hidden not in page, hidden
        assert client_app.client.name in page
        assert 'href="?lang=de"' in page
    german = Browser().get(path, {"lang": "de"})
    assert german["Content-Language"] == "de"
    assert '<html lang="de"' in german.content.decode()
    assert 'lang="de" hreflang="de" aria-current="true"' in german.content.decode()
    for lang in ("xx", "", "\x00", "d" * 500):
        assert Browser().get(path, {"lang": lang}).status_code == 200


def test_what_cannot_be_undone_is_said_in_words(client_app: App) -> None:
    warned = plain(Browser().get(public(client_app, decided(client_app, "warn_author", "remove_content"))))
    assert "Warning to the author" in warned
    assert "A warning cannot be undone" in warned
    assert "Removal of the content" in warned
    other = decided(client_app, {"action": "suspend_author", "params": {"days": 3}}, author_id="author-2")
    suspended = plain(Browser().get(public(client_app, other, "author-2")))
    assert "cannot be undone" not in suspended
    assert "Suspension of the author until" in suspended


@pytest.mark.parametrize(
    ("outcome", "actions", "said"),
    [
        ("no_violation", [], ["Your appeal was granted.", "taken back"]),
        ("violation", ["remove_content"], ["Your appeal was denied.", "What applies now", "turn to a court"]),
    ],
)
def test_the_answered_page_says_what_applies_now(
    client_app: App, outcome: str, actions: list[str], said: list[str]
) -> None:
    case_id = decided(client_app, "remove_content", policies=["harassment"])
    path = public(client_app, case_id)
    assert 'aria-current="step">Second review' in Browser().get(path).content.decode()
    client_app.decide(case_id, *actions, outcome=outcome, by="Ben", reason="Looked at again.")
    work()
    page = plain(Browser().get(path))
    for words_of_it in ("Looked at again.", 'aria-current="true"', *said):
        assert words_of_it in page
    assert "Nothing more is needed" not in page


def test_the_status_page_costs_a_fixed_number_of_queries(client_app: App) -> None:
    case_id = decided(client_app, "remove_content", "warn_author", policies=["harassment", "spam"])
    assert queries(Browser(), public(client_app, case_id)) == 4
    client_app.decide(case_id, "remove_content", "label_content", by="Ben", reason="Looked at again.")
    work()
    assert queries(Browser(), f"/appeals/{Appeal.objects.get().token}/") == 5
