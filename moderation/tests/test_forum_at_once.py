"""The demo's forum hears the same thing twice at once, over its two ways: nobody waits in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from moderation.demo import catch_up
from moderation.demo.client import Effect, Standing
from moderation.demo.models import Appeal, Author, Receipt
from moderation.demo.notices import keep_appeal, take_note
from moderation.demo.orders import Order, obey
from moderation.tests.forum import a_post, about_appeal
from moderation.tests.people import until

pytest_plugins = ["moderation.tests.forum"]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def somebody_waits() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the same activity to its end
        cursor.execute(WAITING)
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def in_a_thread(pool: ThreadPoolExecutor, work: Callable[[], object]) -> Future[object]:
    def run() -> object:
        try:
            return work()
        finally:
            connection.close()

    return pool.submit(run)


def test_an_appeal_s_answer_and_its_notice_at_once_do_not_deadlock(database: None) -> None:
    """The answer to the forum's own request writes the appeal; the notice has the post and waits for the appeal; the
    commit of the first then needs the post, for its foreign key. A first start of the demo died of this."""
    post = a_post()
    notice = about_appeal("appeal.received", post, "submitted")
    said = {name: str(notice["data"][key]) for name, key in (("case_id", "case_id"), ("person", "appellant_id"))}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            keep_appeal(post, notice["data"]["appeal_id"], status="submitted", side="author", **said)
            noted = in_a_thread(pool, lambda: take_note("notice-1", notice))
            until(somebody_waits, bool)
        assert noted.result(20) is True
    assert Appeal.objects.count() == 1


def test_a_suspension_s_webhook_and_the_catch_up_at_once_do_not_deadlock(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webhook writes its receipt and then locks the author; the catch-up has the author and writes that receipt."""
    author = Author.objects.create(name="kevin")
    end = timezone.now() + timedelta(days=7)
    ids = {"case_id": "case-1", "decision_id": "decision-1"}
    effect = Effect(action="suspend_author", order_id="order-1", expires_at=end, **ids)
    about = {"content_id": "", "author_id": "kevin", "sequence": 1, "expires_at": end, **ids}
    order = Order(type="action.apply", action="suspend_author", **about)  # type: ignore[arg-type]
    has_the_author, may_go_on = threading.Event(), threading.Event()

    class Api:
        def effects(self, **about: Any) -> Standing:
            return Standing(effects=[effect], sequence=1)

    suspension = catch_up._suspension

    def slowly(*arguments: Any) -> Any:
        has_the_author.set()
        assert may_go_on.wait(20)
        return suspension(*arguments)

    monkeypatch.setattr(catch_up, "_suspension", slowly)
    with ThreadPoolExecutor(2) as pool:
        caught_up = in_a_thread(pool, lambda: catch_up._put_author_right(Api(), "kevin"))  # type: ignore[arg-type]
        assert has_the_author.wait(20)
        obeyed = in_a_thread(pool, lambda: obey("order-1", order))
        until(somebody_waits, bool)
        may_go_on.set()
        assert caught_up.result(20) is True
        assert obeyed.result(20) in (("applied", ""), ("already", ""))
    author.refresh_from_db()
    assert author.suspended_until == end
    assert Receipt.objects.count() == 1
