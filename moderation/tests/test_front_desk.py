"""The front desk's other half: sending orders again, rolling a case back, what its page costs."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import translation

from moderation.console import words
from moderation.lifecycle import MOVES
from moderation.models import Attempt, Case, Event, Order, User
from moderation.tests.appealing import AUTHOR, REPORTER, appeal, decided, failed
from moderation.tests.moderators import Moderator, plain, queries, sql
from moderation.tests.people import RUDE, App, ana, sue, work
from moderation.tests.platform import Platform

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
    assert Event.objects.get(type="case.rollback_requested").user == sue()


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
    kinds = r"(?:order|agent|client|policy|person)\.\w+|appeal\.\w+|case\.(?:accepted|reported|claimed|released)"
    written = set(re.findall(f'"({kinds})"', "".join(sources)))
    written |= {step.event for step in MOVES.values()} | {"order.applied", "order.already", "order.refused"}
    assert {"client.key_rotated", "policy.retired", "person.closed"} <= written
    assert {"order.replayed", "order.delayed", "order.failed", "appeal.decided", "agent.thread_rebuilt"} <= written
    for language in ("en", "de", "es"):
        with translation.override(language):
            for what in written:
                said = words.event(Event(type=what, data={"status": "granted", "action": "remove_content"}))
                assert said not in ("", what), (language, what)


def test_whoever_is_called_as_the_house_calls_itself_is_told_by_name(client_app: App) -> None:
    named = User.objects.create(username="agent")
    case_id = client_app.start()
    work()
    assert client_app.decide(case_id, "remove_content", by="guardian").status_code == 202
    other = client_app.start(text=RUDE + "!")
    work()
    Moderator(named).do("claim", other)
    for found, who in ((case_id, "guardian"), (other, "agent")):
        actors = re.findall(r'<bdi class="actor">(.*?)</bdi>', Moderator(ana()).look(found).content.decode())
        assert {who, "the agent"} <= set(actors)
