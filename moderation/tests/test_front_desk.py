"""The front desk's other half: the list of appeals, closing one, sending orders again, rolling a case back."""

from __future__ import annotations

import html
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import translation

from moderation.console import words
from moderation.lifecycle import MOVES
from moderation.models import Appeal, Attempt, Case, Event, Order
from moderation.tests.people import RUDE, App, ana, ben, sue, work
from moderation.tests.platform import Platform
from moderation.tests.test_appeals import AUTHOR, REPORTER, appeal, decided
from moderation.tests.test_console import HOSTILE, Moderator, queries, sql

LIST = "/console/appeals/"


def plain(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def appealed(client_app: App, **fields: Any) -> tuple[str, Appeal]:
    """A case that Ana decided and its author appealed; it waits for its second review."""
    case_id = decided(client_app, "remove_content", by="ana")
    appeal(client_app, case_id, **fields)
    work()
    return case_id, Appeal.objects.get(case_id=case_id)


def failed(client_app: App, platform: Platform, *actions: str) -> str:
    """A completed case whose orders could not be delivered for 72 hours."""
    platform.behave = lambda document: (503, b"")
    case_id = client_app.start(RUDE, author_id=AUTHOR)
    work()
    client_app.decide(case_id, *(actions or ["remove_content"]), by="ana")
    for _ in actions or [0]:
        work()
        sql(
            "UPDATE moderation_order SET first_tried_at = now() - interval '73 hours', due_at = now() "
            "WHERE status = 'planned'"
        )
        work()
    assert client_app.case(case_id)["status"] == "completed"
    assert {status for _, status in client_app.statuses(case_id)} == {"failed"}
    platform.behave = lambda document: (200, b"")
    return case_id


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
    assert Event.objects.filter(type="appeal.decided", actor="ben").count() == 1
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
    assert moderator.decide(case_id, reason="").status_code == 200, "nobody waits for a written answer any more"


# --- orders ------------------------------------------------------------------------------------------------------


def replay(moderator: Moderator, order_id: Any) -> Any:
    return moderator.browser.post(f"/console/orders/{order_id}/replay/")


def test_every_try_stands_in_the_delivery_log(client_app: App, platform: Platform) -> None:
    case_id = failed(client_app, platform)
    page = plain(Moderator(ana()).look(case_id))
    log = page[page.index('<details class="log"') :]
    assert "Delivery log" in log
    assert re.search(r"<td class=\"log-bad\"[^>]*>HTTP 503</td><td>\d+ ms</td>", log)
    order = Order.objects.get()
    Attempt.objects.create(order=order, error="<i>Timed out</i>", milliseconds=10_000)
    Attempt.objects.bulk_create(
        [Attempt(order=order, http_status=200, result="applied", milliseconds=7) for _ in range(30)]
    )
    page = Moderator(ana()).look(case_id).content.decode()
    assert page.count("HTTP 200 · Applied") == 20
    assert "The newest 20 are shown." in page


def test_only_a_supervisor_sends_a_failed_order_again_and_it_arrives(client_app: App, platform: Platform) -> None:
    case_id = failed(client_app, platform)
    order = Order.objects.get()
    assert "Send again" not in plain(Moderator(ana()).look(case_id))
    answer = replay(Moderator(ana(), htmx=True), order.pk)
    assert answer.status_code == 403
    assert "For supervisors" in plain(answer)
    supervisor = Moderator(sue(), htmx=True)
    assert "Send again" in plain(supervisor.look(case_id))
    answer = replay(supervisor, order.pk)
    assert answer.status_code == 200
    assert re.search(r'id="orders-title" tabindex="-1" data-focus', answer.content.decode())
    assert "Sent again: Remove the content" in plain(answer)
    work()
    assert client_app.statuses(case_id) == [("remove_content", "applied")]
    again = replay(supervisor, order.pk)
    assert (again.status_code, again["X-Guardian-Panel"]) == (409, "1")
    assert "It has not failed" in plain(again)
    assert replay(supervisor, uuid.uuid4()).status_code == 404


def test_an_order_that_something_newer_has_overtaken_is_not_sent(client_app: App, platform: Platform) -> None:
    case_id = failed(client_app, platform, "suspend_author")
    order = Order.objects.get()
    other = client_app.start(RUDE, author_id=AUTHOR)
    work()
    client_app.decide(other, "suspend_author")
    work()
    answer = replay(Moderator(sue(), htmx=True), order.pk)
    assert (answer.status_code, answer["X-Guardian-Panel"]) == (409, "1")
    assert "Overtaken by something newer" in plain(answer)
    assert client_app.statuses(case_id) == [("suspend_author", "failed")]


def test_a_reversal_stands_beside_the_action_it_takes_back(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content", "label_content")
    client_app.roll_back(case_id)
    work()
    page = plain(Moderator(ana()).look(case_id))
    orders = page[page.index('id="orders-title"') : page.index('id="time-title"')]
    heads = re.findall(r'<p class="line-head">([^<]+)</p>|(class="below")', orders)
    assert [what or "below" for what, _ in heads] == [
        *("Remove the content", "below", "Restore the content"),
        *("Label the content", "below", "Take the label away"),
    ]
    assert "takes back" not in orders


def test_where_a_reversal_failed_the_reversal_is_sent_again(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    platform.behave = lambda document: (503, b"")
    client_app.roll_back(case_id)
    work()
    sql("UPDATE moderation_order SET first_tried_at = now() - interval '73 hours' WHERE status = 'planned'")
    sql("UPDATE moderation_order SET due_at = now() WHERE status = 'planned'")
    work()
    platform.behave = lambda document: (200, b"")
    reversal = Order.objects.get(direction="reverse")
    page = plain(Moderator(sue()).look(case_id))
    assert re.findall(r'action="/console/orders/([\w-]+)/replay/"', page) == [str(reversal.pk)]
    assert replay(Moderator(sue(), htmx=True), reversal.pk).status_code == 200
    work()
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]


# --- rollback ----------------------------------------------------------------------------------------------------


def test_a_supervisor_rolls_a_case_back_with_a_reason(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content", by="ana")
    moderator, supervisor = Moderator(ana(), htmx=True), Moderator(sue(), htmx=True)
    assert "Roll this case back" not in plain(moderator.look(case_id))
    refused = moderator.do("rollback", case_id, why="Because.")
    assert refused.status_code == 403
    assert "For supervisors" in plain(refused)
    assert "Roll this case back" in plain(supervisor.look(case_id))
    missing = supervisor.do("rollback", case_id, why=" ", keep_in_force="on")
    assert (missing.status_code, missing["X-Guardian-Panel"]) == (422, "1")
    assert "A reason is needed" in plain(missing)
    assert 'name="keep_in_force" checked' in missing.content.decode()
    assert Case.objects.get().status == "completed"
    answer = supervisor.do("rollback", case_id, why="It was a quotation.")
    assert answer.status_code == 200
    assert "Rollback requested: It was a quotation." in plain(answer)
    work()
    assert platform.actions == ["remove_content", "restore_content"]
    assert client_app.case(case_id)["status"] == "pending_review"
    again = supervisor.do("rollback", case_id, why="Once more.")
    assert again.status_code == 409
    assert "Not possible now" in plain(again)
    assert Event.objects.get(type="case.rollback_requested").actor == "sue"


def test_a_rollback_can_keep_in_force_what_was_done(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content", by="ana")
    answer = Moderator(sue()).do("rollback", case_id, why="Look again.", keep_in_force="on")
    assert answer["Location"] == f"/console/cases/{case_id}/"
    work()
    assert platform.actions == ["remove_content"]
    assert client_app.case(case_id)["status"] == "pending_review"


def test_a_withdrawn_case_offers_no_rollback(client_app: App) -> None:
    case_id = decided(client_app)
    client_app.post(f"cases/{case_id}/withdraw/", {"reason": "Gone."})
    assert "Roll this case back" not in plain(Moderator(sue()).look(case_id))


# --- what the page costs and says --------------------------------------------------------------------------------


def test_the_case_page_costs_the_same_however_much_was_tried(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    appeal(client_app, case_id)
    work()
    browser = Moderator(sue()).browser
    path = f"/console/cases/{case_id}/"
    before = queries(browser, path)
    for order in Order.objects.all():
        Attempt.objects.bulk_create([Attempt(order=order, error="Away.", milliseconds=1) for _ in range(40)])
    appeal(client_app, case_id, REPORTER)
    assert queries(browser, path) == before <= 16


def test_every_event_the_services_can_write_has_words() -> None:
    sources = [file.read_text() for file in (Path(settings.BASE_DIR) / "moderation" / "services").rglob("*.py")]
    written = set(
        re.findall(
            r'"((?:order|agent)\.\w+|appeal\.\w+|case\.(?:accepted|reported|claimed|released))"', "".join(sources)
        )
    )
    written |= {step.event for step in MOVES.values()} | {"order.applied", "order.already", "order.refused"}
    assert {"order.replayed", "order.delayed", "order.failed", "appeal.decided", "agent.thread_rebuilt"} <= written
    for language in ("en", "de", "es"):
        with translation.override(language):
            for what in written:
                said = words.event(Event(type=what, data={"status": "granted", "action": "remove_content"}))
                assert said not in ("", what), (language, what)


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
