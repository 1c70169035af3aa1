"""The case's row is the truth and the agent's thread its bookmark: whatever becomes of the thread, the case goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from agents.checkpoints import BorrowedSaver
from agents.contract import AnalysisFailed, Brief, Route
from agents.contract import Assessment as Thought
from moderation.models import Assessment, Case, Event, Order, Run
from moderation.services.agent import runs
from moderation.services.agent.casework import CaseRows
from moderation.services.orders import closing
from moderation.services.story import legs
from moderation.tests.people import App, work
from moderation.tests.platform import Platform
from queueing.tests.deliveries import expire_leases, told

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")


# --- a worker that is too slow -----------------------------------------------------------------------------------


@pytest.mark.parametrize("second_fails", [False, True], ids=["after another's answer", "after another's failure"])
def test_a_worker_that_thinks_longer_than_its_lease_writes_nothing_when_it_is_done(
    second_fails: bool, client_app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    analyst = _Analyst(first_waits=True, second_fails=second_fails)
    monkeypatch.setattr(runs.agent(), "assessor", analyst)
    case_id = client_app.start()
    run = Run.objects.get(case_id=case_id)
    slow = _in_a_thread(lambda: runs.analyse(run.pk))
    assert analyst.began.wait(10)
    expire_leases()  # `slow` still thinks
    runs.analyse(run.pk)
    assert client_app.case(case_id)["status"] == "pending_review"
    assert analyst.asked == 2
    assert Assessment.objects.count() == (0 if second_fails else 1)
    before = _everything()

    analyst.go_on.set()
    slow.join(10)
    assert not slow.is_alive()
    assert "taken over by another worker" in caplog.text
    assert _everything() == before


def test_a_worker_that_loses_its_lease_after_the_assessment_saves_no_checkpoint(
    client_app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case_id = client_app.start()
    run = Run.objects.get(case_id=case_id)
    record, left = CaseRows.record, []

    def overtaken(rows: CaseRows, *what: Any) -> Route:
        route = record(rows, *what)
        if not left:
            expire_leases()
            left.append("now")
            _in_a_thread(lambda: runs.analyse(run.pk)).join(10)
            left.append(_everything())
        return route

    monkeypatch.setattr(CaseRows, "record", overtaken)
    runs.analyse(run.pk)
    assert "taken over by another worker" in caplog.text
    assert client_app.case(case_id)["status"] == "pending_review"
    assert _everything() == left[1]


@pytest.mark.parametrize("last", ["assessment", "checkpoint"])
def test_an_analysis_that_died_before_its_pause_is_finished_without_asking_again(
    last: str, client_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = _Analyst()
    monkeypatch.setattr(runs.agent(), "assessor", analyst)
    case_id = client_app.start()
    run = Run.objects.get(case_id=case_id)
    with monkeypatch.context() as broken:
        if last == "checkpoint":
            broken.setattr(runs, "_end_analysis", _die)
        else:
            record = CaseRows.record
            broken.setattr(CaseRows, "record", lambda *what: (record(*what), _die()))
        with pytest.raises(KeyboardInterrupt):
            runs.analyse(run.pk)
    assert (Assessment.objects.count(), client_app.case(case_id)["status"]) == (1, "pending_analysis")
    expire_leases()
    runs.analyse(run.pk)
    assert (analyst.asked, client_app.case(case_id)["status"]) == (1, "pending_review")


def test_an_analysis_that_never_ends_goes_to_a_human_and_can_be_decided(client_app: App, platform: Platform) -> None:
    case_id = client_app.start()
    Run.objects.filter(case_id=case_id).update(attempts=runs.ANALYSIS_TRIES)
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["assessment"]) == ("pending_review", None)
    assert client_app.decide(case_id, "remove_content").status_code == 202
    work()
    assert (client_app.case(case_id)["status"], told(platform)) == ("completed", ["remove_content"])
    assert _rebuilt(case_id) == ["no checkpoint was found where the thread should have paused at review for round 1"]


# --- a thread that is gone, or of another time ---------------------------------------------------------------------


def _delete_thread(case_id: str) -> None:
    connection.ensure_connection()
    BorrowedSaver(connection.connection).delete_thread(case_id)


def _age_thread(case_id: str) -> None:
    Case.objects.filter(pk=case_id).update(thread_version="0")


DAMAGES: dict[str, tuple[Callable[[str], None], str]] = {
    "deleted": (_delete_thread, "no checkpoint was found"),
    "of an older graph": (_age_thread, "written by graph version 0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_thread_that_is_not_what_it_should_be_is_rebuilt_from_the_row_at_every_leg(
    damage: str, client_app: App, platform: Platform
) -> None:
    spoil, why = DAMAGES[damage]
    case_id = client_app.start()
    work()
    spoil(case_id)
    assert client_app.decide(case_id, "remove_content", "suspend_author").status_code == 202
    work()
    assert client_app.case(case_id)["status"] == "completed"
    spoil(case_id)
    assert client_app.roll_back(case_id).status_code == 202
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["round"]) == ("pending_review", 2)
    spoil(case_id)
    assert client_app.decide(case_id, "label_content", by="Ben").status_code == 202
    work()
    assert client_app.case(case_id)["status"] == "completed"
    assert told(platform) == [
        "remove_content",
        "suspend_author",
        "unsuspend_author",
        "restore_content",
        "label_content",
    ]
    events = _rebuilt(case_id)
    assert len(events) == 3
    assert all(why in event for event in events), events
    assert Case.objects.get(pk=case_id).thread_version == runs.GRAPH_VERSION


def test_a_thread_that_is_as_it_should_be_is_never_rebuilt(client_app: App) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content")
    work()
    client_app.roll_back(case_id)
    work()
    client_app.decide(case_id, outcome="no_violation", by="Ben")
    work()
    assert client_app.case(case_id)["status"] == "completed"
    assert _rebuilt(case_id) == []


# --- a rollback while orders are under way -------------------------------------------------------------------------


def test_a_rollback_cancels_what_was_never_tried_and_reverses_what_may_have_been_applied(
    client_app: App, platform: Platform
) -> None:
    case_id = client_app.start()
    work()
    platform.behave = lambda document: (500, b"")
    client_app.decide(case_id, "remove_content", "suspend_author", "warn_author")
    work()
    assert client_app.statuses(case_id) == [
        ("remove_content", "planned"),
        ("suspend_author", "planned"),
        ("warn_author", "planned"),
    ]
    assert told(platform) == ["remove_content"]

    platform.behave = lambda document: (200, b"")
    assert client_app.roll_back(case_id).status_code == 202
    work()
    assert client_app.statuses(case_id) == [
        ("remove_content", "reversed"),
        ("suspend_author", "cancelled"),
        ("warn_author", "cancelled"),
    ]
    assert told(platform) == ["remove_content", "restore_content"]
    case = client_app.case(case_id)
    assert (case["status"], case["round"]) == ("pending_review", 2)


def test_a_rollback_reverses_an_order_that_failed_for_good_and_leaves_alone_what_was_refused(
    client_app: App, platform: Platform
) -> None:
    case_id = client_app.start()
    work()

    def behave(document: dict[str, Any]) -> tuple[int, bytes]:
        action = document["data"]["action"]
        return {"remove_content": (500, b""), "suspend_author": (200, b'{"result": "refused"}')}.get(action, (200, b""))

    platform.behave = behave
    client_app.decide(case_id, "remove_content", "suspend_author", "label_content")
    work()
    Order.objects.filter(action="remove_content").update(first_tried_at=Now() - timedelta(hours=73), due_at=Now())
    work()
    assert client_app.statuses(case_id) == [
        ("remove_content", "failed"),
        ("suspend_author", "refused"),
        ("label_content", "applied"),
    ]
    assert client_app.case(case_id)["status"] == "completed"

    assert client_app.roll_back(case_id).status_code == 202
    work()
    assert client_app.statuses(case_id) == [
        ("remove_content", "reversed"),
        ("suspend_author", "refused"),
        ("label_content", "reversed"),
    ]
    assert told(platform)[-2:] == ["unlabel_content", "restore_content"]
    assert client_app.case(case_id)["status"] == "pending_review"


@pytest.mark.parametrize("keep", [False, True], ids=["while it is rolled back", "while it is enforced"])
def test_a_case_goes_on_when_the_last_order_in_its_line_is_cancelled_for_another_case(
    keep: bool, client_app: App, platform: Platform
) -> None:
    """The longer suspension goes, so the shorter one is to be sent again, in the line of the case that let go; before
    it is sent, the shorter one's own case lets go as well."""
    longer, shorter = client_app.start(author_id="author-1"), client_app.start(author_id="author-1")
    work()
    for case_id, days in ((longer, 30), (shorter, 3)):
        client_app.decide(case_id, {"action": "suspend_author", "params": {"days": days}})
    work()
    client_app.roll_back(longer, keep_in_force=keep)
    if keep:
        work()
        client_app.decide(longer, outcome="no_violation", by="Ben")
    client_app.roll_back(shorter)
    for case_id in (longer, shorter):
        run = Run.objects.get(case_id=case_id, done_at=None)
        (legs.resume if run.kind == "resume" else legs.roll_back)(run.pk)
    work()
    assert closing.settle_overlooked() == 1
    assert [client_app.case(case_id)["status"] for case_id in (longer, shorter)] == [
        "completed" if keep else "pending_review",
        "pending_review",
    ]
    assert told(platform) == ["suspend_author", "suspend_author", "unsuspend_author"]


# --- how -----------------------------------------------------------------------------------------------------------


class _Analyst:
    """The real analyst, counted; the first to ask waits until it may go on."""

    def __init__(self, *, first_waits: bool = False, second_fails: bool = False) -> None:
        self._real = runs.agent().assessor
        self.name = self._real.name
        self.asked = 0
        self._first_waits, self._second_fails = first_waits, second_fails
        self.began, self.go_on = threading.Event(), threading.Event()

    def assess(self, brief: Brief) -> Thought:
        self.asked += 1
        turn = self.asked
        if self._first_waits and turn == 1:
            self.began.set()
            assert self.go_on.wait(20)
        if self._second_fails and turn == 2:
            raise AnalysisFailed("no answer is to be had")
        return self._real.assess(brief)


def _in_a_thread(call: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _die(*_: object) -> None:
    """What no `except Exception` sees: as near to a kill as one process can come."""
    raise KeyboardInterrupt


def _rebuilt(case_id: str) -> list[str]:
    events = Event.objects.filter(case_id=case_id, type="agent.thread_rebuilt").order_by("pk")
    return [Run.objects.get(pk=event.data["run_id"]).rebuilt for event in events]


def _everything() -> dict[str, Any]:
    """Every row a leg may write, whole."""
    tables = ["public.moderation_case", "public.moderation_run", "public.moderation_assessment"]
    tables += ["public.moderation_event", "public.moderation_order"]
    tables += ["agent.checkpoints", "agent.checkpoint_blobs", "agent.checkpoint_writes"]
    with connection.cursor() as cursor:
        seen = {}
        for table in tables:
            cursor.execute(f"SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {table} t")
            seen[table] = cursor.fetchone()[0]
        return seen
