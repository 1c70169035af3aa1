"""The front desk's list of appeals, and closing one."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.test import Client as Browser

from moderation.models import Appeal, Event
from moderation.tests.appealing import REPORTER, appeal, appealed, decided
from moderation.tests.hostile import HOSTILE
from moderation.tests.moderators import Moderator, plain, queries, sql
from moderation.tests.people import App, ana, ben, sue, work

LIST = "/console/appeals/"


# --- the list of appeals -----------------------------------------------------------------------------------------


def test_open_appeals_stand_in_a_list_with_the_oldest_first(client_app: App) -> None:
    empty = plain(Moderator(ben()).browser.get(LIST))
    assert "No appeal waits" in empty
    old, old_appeal = appealed(client_app, statement="It was <b>irony</b>.")
    new = decided(client_app, "label_content", author_id="author-2")
    appeal(client_app, new, REPORTER, statement="Far too mild. " * 40)
    work()
    sql("UPDATE moderation_appeal SET created_at = now() - interval '3 hours' WHERE id = %s", old_appeal.pk)
    page = Moderator(ben()).browser.get(LIST).content.decode()
    assert page.index(old) < page.index(new)
    assert "It was &lt;b&gt;irony&lt;/b&gt;." in page
    for said in ("2 appeals wait", "the author", "a reporter", "Under review", ">3 h<", "…", f"{old}/#appeals", "free"):
        assert said in page, said
    assert "for somebody else: you decided it first" in plain(Moderator(ana()).browser.get(LIST))
    Moderator(ben()).do("claim", old)
    assert re.search("ben</bdi> is reading", Moderator(sue()).browser.get(LIST).content.decode())
    assert "<strong>yours</strong>" in Moderator(ben()).browser.get(LIST).content.decode()
    assert 'href="/console/appeals/"' in Moderator(ben()).browser.get("/console/").content.decode()


def test_an_answered_appeal_leaves_the_list(client_app: App) -> None:
    case_id, _ = appealed(client_app)
    client_app.decide(case_id, outcome="no_violation", by="Ben", reason="It was irony.")
    work()
    assert case_id not in Moderator(ben()).browser.get(LIST).content.decode()


def test_the_list_has_pages_and_costs_the_same_whatever_its_length(client_app: App) -> None:
    _, first = appealed(client_app)
    browser = Moderator(ben()).browser
    assert queries(browser, LIST) == 4  # session, person, counts, rows
    Appeal.objects.bulk_create(
        Appeal(
            case_id=first.case_id,
            client=client_app.client,
            decision_id=first.decision_id,
            round=1,
            appellant_id=f"reader-{number}",
            side="reporter",
            statement="I object.",
            token=uuid.uuid4().hex,
        )
        for number in range(60)
    )
    assert queries(browser, LIST) == 4
    assert "Page 1 of 2" in plain(browser.get(LIST))
    assert "Page 2 of 2" in plain(browser.get(LIST, {"page": "2"}))
    for number in ("0", "-1", "x", "9" * 30, "²", "\x00"):
        assert browser.get(LIST, {"page": number}).status_code == 200


def test_hostile_appeals_never_become_markup(client_app: App) -> None:
    for number, text in enumerate(HOSTILE):
        case_id = decided(client_app, "label_content", author_id=f"{number} {text}")
        status_url = appeal(client_app, case_id, f"{number} {text}", statement=text).json()["status_url"]
        work()
        public = Browser().get(status_url.removeprefix("http://testserver"))
        pages = [Moderator(ben()).browser.get(LIST), Moderator(ben()).look(case_id), public]
        Moderator(ben()).browser.post(f"{LIST}{Appeal.objects.get(case_id=case_id).pk}/inadmissible/", {"why": text})
        pages += [Moderator(ben()).look(case_id), Browser().get(status_url.removeprefix("http://testserver"))]
        for page in pages:
            assert page.status_code == 200
            assert "<" not in text or text not in page.content.decode()
            for tag in re.findall(
                r"<(?:script|img|iframe|base|style|a|button|div|textarea)\b[^>]*>", page.content.decode()
            ):
                assert not re.search(r"alert\(|evil|srcdoc|data-hx-on", tag), text


# --- closing one -------------------------------------------------------------------------------------------------


def close(moderator: Moderator, row: Appeal, why: str = "It is about another post.", **fields: Any) -> Any:
    return moderator.browser.post(f"{LIST}{row.pk}/inadmissible/", {"why": why, **fields})


def test_an_appeal_is_declared_inadmissible_with_a_reason_only(client_app: App) -> None:
    case_id, row = appealed(client_app, statement="Look again.")
    moderator = Moderator(ben(), htmx=True)
    page = moderator.look(case_id).content.decode()
    assert "Look again." in page
    assert f'action="{LIST}{row.pk}/inadmissible/"' in page
    for why in ("", "  \n", "x" * 5001, "nul \x00"):
        answer = close(moderator, row, why)
        assert (answer.status_code, answer["X-Guardian-Panel"]) == (422, "1")
        assert "A reason is needed" in plain(answer)
        assert re.search(r'<details class="ask"[^>]* open>', answer.content.decode())
    row.refresh_from_db()
    assert row.status == "under_review"
    answer = close(moderator, row)
    assert answer.status_code == 200
    assert re.search(r'id="appeals-title" tabindex="-1" data-focus', answer.content.decode())
    row.refresh_from_db()
    assert (row.status, row.answer) == ("inadmissible", "It is about another post.")
    assert Event.objects.filter(type="appeal.decided", user__username="ben").count() == 1
    again = close(moderator, row)
    assert again.status_code == 409
    assert "This appeal is closed" in plain(again)
    assert "The appeal was closed: Inadmissible." in plain(moderator.look(case_id))
    assert f"{row.pk}/inadmissible/" not in moderator.look(case_id).content.decode()


def test_without_htmx_closing_an_appeal_leads_back_to_its_case(client_app: App) -> None:
    case_id, row = appealed(client_app)
    assert close(Moderator(sue()), row)["Location"] == f"/console/cases/{case_id}/"
    assert close(Moderator(sue()), Appeal(pk=uuid.uuid4())).status_code == 404


def test_nobody_closes_an_appeal_against_their_own_decision(client_app: App) -> None:
    case_id, row = appealed(client_app)
    first = Moderator(ana(), htmx=True)
    assert f"{row.pk}/inadmissible/" not in first.look(case_id).content.decode()
    answer = close(first, row)
    assert (answer.status_code, answer["X-Guardian-Panel"]) == (403, "1")
    assert "Somebody else must close this" in plain(answer)
    row.refresh_from_db()
    assert row.status == "under_review"


def test_closing_an_appeal_keeps_the_decision_that_is_being_typed(client_app: App) -> None:
    case_id, row = appealed(client_app)
    moderator = Moderator(ben(), htmx=True)
    moderator.do("claim", case_id)
    for why in ("", "It is about another post."):
        page = close(moderator, row, why, outcome="violation", reason="Half a senten", note="mine").content.decode()
        assert "Half a senten</textarea>" in page
        assert re.search(r'value="violation" checked', page)
    ruled = moderator.decide(case_id, outcome="no_violation", actions=[], policies=[], reason="")
    assert ruled.status_code == 200, "nobody waits for a written answer any more"
