"""What supervisors press in the admin: send again, ping, rotate, revoke; and what they look up there."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from moderation.models import ApiKey, Attempt, Client, Event, Notice, Order
from moderation.services.desk import clients
from moderation.tests.appealing import failed
from moderation.tests.moderators import sql
from moderation.tests.people import App, ana, app, sue, work
from moderation.tests.platform import Platform
from moderation.tests.test_admin import browser_of, path


@pytest.fixture
def desk(database: None) -> Browser:
    return browser_of(sue())


def press(browser: Browser, action: str, *rows: Model) -> list[str]:
    """Choose `rows` in their list, run the action on them, and read the messages."""
    fields = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer: Any = browser.post(path(type(rows[0]).__name__, "changelist"), fields, follow=True)
    assert answer.status_code == 200
    said = [str(message) for message in answer.context["messages"]]
    page = html.unescape(answer.content.decode())
    assert all(text[1:] in page for text in said)  # their first letter becomes a capital
    return said


# --- orders ------------------------------------------------------------------------------------------------------


def test_failed_orders_are_sent_again_and_each_says_what_became_of_it(
    client_app: App, platform: Platform, desk: Browser
) -> None:
    case_id = failed(client_app, platform, "remove_content", "warn_author")
    removal, warning = Order.objects.order_by("place")
    Order.objects.filter(pk=warning.pk).update(status="applied")
    said = press(desk, "send_again", removal, warning)
    assert len(said) == 2
    assert str(removal.pk) in said[0]
    assert "is sent again" in said[0]
    assert "has not failed; left as it is" in said[1]
    work()
    assert client_app.statuses(case_id) == [("warn_author", "applied"), ("remove_content", "applied")]
    assert Event.objects.get(type="order.replayed").user == sue()
    assert "has not failed" in press(desk, "send_again", removal)[0]
    assert "sent again" in desk.get(path("Order", "history", removal.pk)).content.decode()


def test_an_order_that_was_overtaken_is_left_alone(client_app: App, platform: Platform, desk: Browser) -> None:
    failed(client_app, platform, "suspend_author")
    order = Order.objects.get()
    newer = client_app.start(author_id="author-1")
    work()
    client_app.decide(newer, "suspend_author")
    work()
    assert "overtaken by a later decision; not sent" in press(desk, "send_again", order)[0]
    order.refresh_from_db()
    assert order.status == "failed"


def test_of_very_many_orders_only_the_first_are_named(client_app: App, desk: Browser) -> None:
    actions = ["remove_content", "label_content", "age_gate", "limit_visibility", "warn_author"]
    for number in range(5):
        case_id = client_app.start(author_id=f"author-{number}")
        work()
        client_app.decide(case_id, *actions)
    work()
    said = press(desk, "send_again", *Order.objects.all())
    assert len(said) == 21
    assert said[-1] == "… and 5 more; the list below shows them."


def test_all_failed_orders_of_an_app_are_sent_again_in_their_old_order(
    client_app: App, platform: Platform, desk: Browser
) -> None:
    failed(client_app, platform, "suspend_author")  # overtaken by the next case
    case_id = failed(client_app, platform, "remove_content", "suspend_author", "warn_author")
    other = app()
    platform.received.clear()
    said = press(desk, "send_all_again", client_app.client, other.client)
    assert f"{client_app.client}: 3 sent again, 1 overtaken by later decisions." in said
    assert f"{other.client}: 0 sent again, 0 overtaken by later decisions." in said
    work()
    assert platform.actions == ["remove_content", "suspend_author", "warn_author"]
    assert {status for _, status in client_app.statuses(case_id)} == {"applied"}


def test_a_press_sends_so_many_and_says_that_there_are_more(
    client_app: App, platform: Platform, desk: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moderation.admin import clients as door

    failed(client_app, platform, "remove_content", "warn_author")
    monkeypatch.setattr(door, "ORDERS_AT_ONCE", 1)
    assert "1 sent again" in (said := press(desk, "send_all_again", client_app.client)[0])
    assert "press once more" in said
    assert "press once more" not in press(desk, "send_all_again", client_app.client)[0]
    assert not Order.objects.filter(status="failed").exists()


def test_what_failed_is_one_click_from_the_first_page(client_app: App, platform: Platform, desk: Browser) -> None:
    failed(client_app, platform)
    index = desk.get(reverse("admin:index")).content.decode()
    links = re.findall(r'<li><a href="(/[^"]+)">', index)
    assert f"{path('Order', 'changelist')}?status__exact=failed" in links
    for link in links:
        assert desk.get(link).status_code == 200, link
    row = str(Order.objects.get().pk)
    assert row in desk.get(path("Order", "changelist"), {"status__exact": "failed"}).content.decode()
    assert row not in desk.get(path("Order", "changelist"), {"status__exact": "applied"}).content.decode()


# --- the delivery log --------------------------------------------------------------------------------------------


def found(desk: Browser, name: str, term: Any) -> int:
    answer: Any = desk.get(path(name, "changelist"), {"q": str(term)})
    assert answer.status_code == 200
    return int(answer.context["cl"].result_count)


def test_the_delivery_log_is_searched_by_order_notice_and_case(
    client_app: App, platform: Platform, desk: Browser
) -> None:
    case_id = failed(client_app, platform)
    failed(client_app, platform, "label_content")
    order = Order.objects.get(case_id=case_id)
    tries = Attempt.objects.filter(order=order).count()
    assert tries == 2
    notices = Attempt.objects.filter(notice__case_id=case_id)
    notice = Notice.objects.filter(case_id=case_id, order=None)[0]
    assert found(desk, "Attempt", order.pk) == tries
    assert found(desk, "Attempt", f" {case_id} ") == tries + notices.count()
    assert found(desk, "Attempt", notice.pk) == notices.filter(notice=notice).count() > 0
    assert found(desk, "Attempt", "answered 503") == Attempt.objects.filter(http_status=503).count()
    assert found(desk, "Attempt", uuid.uuid4()) == 0
    assert found(desk, "Order", case_id) == found(desk, "Order", order.pk) == 1
    assert found(desk, "Case", case_id) == 1
    assert found(desk, "Notice", case_id) == Notice.objects.filter(case_id=case_id).count()
    page = desk.get(path("Order", "change", order.pk)).content.decode()
    assert f"{path('Attempt', 'changelist')}?q={order.pk}" in page


def test_looking_an_id_up_reads_no_whole_table(client_app: App, platform: Platform, desk: Browser) -> None:
    failed(client_app, platform)
    for name in ("Attempt", "Order", "Case", "Run", "Notice", "Appeal"):
        with CaptureQueriesContext(connection) as seen:
            found(desk, name, Order.objects.get().pk)
        assert not [query["sql"] for query in seen if "UPPER(" in query["sql"]], name


# --- apps and keys -----------------------------------------------------------------------------------------------


def test_a_ping_is_sent_and_signed(client_app: App, platform: Platform, desk: Browser) -> None:
    pulling = app()
    said = press(desk, "send_ping", client_app.client, pulling.client)
    assert any("on its way" in text and str(client_app.client) in text for text in said)
    assert any("stands in its feed only" in text and str(pulling.client) in text for text in said)
    work()
    assert [notice["type"] for notice in platform.notices] == ["ping"]


def test_a_rotated_secret_is_shown_once_and_both_are_live(client_app: App, platform: Platform, desk: Browser) -> None:
    said = press(desk, "rotate_secret", client_app.client)
    client = Client.objects.get()
    assert client.webhook_secret in said[0]
    assert client.webhook_secret != client_app.secret == client.old_webhook_secret
    assert "24 hours" in said[1]
    assert client.webhook_secret not in desk.get(path("Client", "changelist")).content.decode()
    press(desk, "send_ping", client)
    work()
    assert platform.notices, "the platform still verifies with the old secret"
    platform.secret = client.webhook_secret
    press(desk, "send_ping", client)
    work()
    assert len(platform.notices) == 2, "and now with the new one"


def test_a_second_click_does_not_end_the_secret_in_use(client_app: App, desk: Browser) -> None:
    press(desk, "rotate_secret", client_app.client)
    assert "rotated only just now" in press(desk, "rotate_secret", client_app.client)[0]
    assert Client.objects.get().old_webhook_secret == client_app.secret
    sql("UPDATE moderation_client SET old_secret_until = old_secret_until - interval '2 minutes'")
    assert "shown only this once" in press(desk, "rotate_secret", client_app.client)[0]


def test_a_rotated_key_is_shown_once_and_the_old_one_lives_a_day_more(client_app: App, desk: Browser) -> None:
    old = ApiKey.objects.get()
    said = press(desk, "rotate", old)
    full = re.search(r"gk_\w{8}_\w+", said[0])
    assert full is not None
    new = clients.authenticate(full[0])
    assert new is not None
    assert (new.client_id, new.scopes) == (old.client_id, old.scopes)
    assert clients.authenticate(client_app.api_key) is not None
    assert "successor already" in press(desk, "rotate", old)[0]
    assert ApiKey.objects.count() == 2
    sql("UPDATE moderation_apikey SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL")
    assert clients.authenticate(client_app.api_key) is None
    press(desk, "revoke", new)
    assert clients.authenticate(full[0]) is None
    assert "was revoked" in press(desk, "rotate", new)[0]


def test_a_moderator_presses_none_of_it(client_app: App, platform: Platform) -> None:
    failed(client_app, platform)
    browser = browser_of(ana())
    for name, action in (
        ("Order", "send_again"),
        ("Client", "send_all_again"),
        ("Client", "send_ping"),
        ("Client", "rotate_secret"),
        ("ApiKey", "rotate"),
        ("ApiKey", "revoke"),
    ):
        rows = {"Order": Order, "Client": Client, "ApiKey": ApiKey}[name].objects.values_list("pk", flat=True)
        fields = {"action": action, "_selected_action": [str(pk) for pk in rows]}
        answer = browser.post(path(name, "changelist"), fields)
        assert answer.status_code == 302
        assert answer["Location"] == "/console/"
    assert Order.objects.get().status == "failed"
    assert ApiKey.objects.count() == 1
    assert Client.objects.get().old_webhook_secret == ""


def test_the_actions_speak_the_supervisors_language(client_app: App, platform: Platform, desk: Browser) -> None:
    failed(client_app, platform)
    desk.cookies["django_language"] = "de"
    with translation.override("de"):
        page = desk.get(path("Order", "changelist")).content.decode()
    assert "Gescheitertes noch einmal senden" in page
