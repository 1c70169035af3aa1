"""Many at once: one wins, whole, and the others are told so."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from moderation.errors import IllegalMove
from moderation.models import Case, Decision, Notice, Order, Report, Run
from moderation.services.post import outbox
from moderation.services.story import legs, review
from moderation.services.story.rulings import Ruling
from moderation.states import RunKind
from moderation.tests.people import RUDE, WORK, App, ana, console, work
from moderation.tests.platform import Platform
from queueing.tests.deliveries import orders_told, told
from queueing.tests.processes import House
from queueing.tests.wire import Wire, at_once

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")

AUTHOR_TRIALS = 30
UNDO_TRIALS = 20


@pytest.fixture(params=["threads of one process", "two processes"])
def ask(request: pytest.FixtureRequest, client_app: App) -> Callable[[int, str, Any], int]:
    """Posts as the n-th of several clients at once, and answers the status."""
    if request.param == "threads of one process":
        return lambda number, path, body: client_app.post(path, body).status_code
    house: House = request.getfixturevalue("embedded_house")
    wires = [Wire(house.web().port, client_app.api_key) for _ in range(2)]
    return lambda number, path, body: wires[number % 2].post(path, body).status


@pytest.mark.parametrize("many", [2, 6])
def test_of_many_decisions_at_once_one_is_accepted_and_its_orders_alone_are_carried_out(
    many: int, ask: Callable[[int, str, Any], int], client_app: App, platform: Platform
) -> None:
    case_id = client_app.start()
    work()
    actions = ["remove_content", "limit_visibility", "age_gate", "label_content", "ban_author", "warn_author"]
    bodies = [
        {"outcome": "violation", "actions": [action], "decided_by": f"Moderator {action}", "reason": "Rude."}
        for action in actions[:many]
    ]
    statuses = at_once(
        *(
            lambda number=number, body=body: ask(number, f"cases/{case_id}/resume/", body)
            for number, body in enumerate(bodies)
        )
    )
    assert Counter(statuses) == {202: 1, 409: many - 1}
    work()
    won = actions[statuses.index(202)]
    assert told(platform) == [won]
    assert client_app.statuses(case_id) == [(won, "applied")]
    assert Decision.objects.count() == Run.objects.filter(kind=RunKind.RESUME).count() == 1


def test_of_two_rollbacks_at_once_one_is_accepted_and_everything_is_reversed_once(
    ask: Callable[[int, str, Any], int], client_app: App, platform: Platform
) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content", "suspend_author")
    work()
    body = {"reason": "An appeal.", "requested_by": "Sue"}
    statuses = at_once(*(lambda number=number: ask(number, f"cases/{case_id}/rollback/", body) for number in range(2)))
    assert Counter(statuses) == {202: 1, 409: 1}
    work()
    assert told(platform) == ["remove_content", "suspend_author", "unsuspend_author", "restore_content"]
    assert client_app.case(case_id)["round"] == 2


@pytest.mark.parametrize("leg", ["resume", "roll_back"])
def test_one_leg_carried_out_by_six_workers_at_once_orders_once(leg: str, client_app: App, platform: Platform) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content", "suspend_author")
    if leg == "roll_back":
        work()
        client_app.roll_back(case_id)
    run = Run.objects.get(case_id=case_id, done_at=None)
    at_once(*[lambda: getattr(legs, leg)(run.pk)] * 6)
    work()
    expected = ["remove_content", "suspend_author", *(["unsuspend_author", "restore_content"] * (leg == "roll_back"))]
    assert told(platform) == expected
    assert Order.objects.count() == len(expected)


def test_24_starts_at_once_under_one_idempotency_key_make_one_case(client_app: App) -> None:
    body = {"content_id": "post-1", "author_id": "author-1", "text": RUDE}
    answers = at_once(*[lambda: client_app.post("cases/", body, **{"Idempotency-Key": "one"})] * 24)
    first = [answer for answer in answers if answer.status_code == 202 and "Idempotency-Replayed" not in answer]
    replayed = [answer for answer in answers if answer.get("Idempotency-Replayed") == "true"]
    in_flight = [answer for answer in answers if answer.status_code == 409 and answer.json()["code"] == "in_flight"]
    assert (len(first), len(replayed) + len(in_flight)) == (1, 23)
    assert {answer.content for answer in replayed} <= {first[0].content}
    assert Case.objects.count() == Run.objects.count() == 1


def test_24_starts_at_once_of_the_same_content_make_one_case_and_keep_every_reporter(client_app: App) -> None:
    def body(number: int) -> dict[str, Any]:
        report = {"reporter_id": f"reporter-{number}", "reason": "It is rude."}
        return {"content_id": "post-1", "author_id": "author-1", "text": RUDE, "report": report}

    answers = at_once(*(lambda number=number: client_app.post("cases/", body(number)) for number in range(24)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 23}
    assert len({answer.json()["id"] for answer in answers}) == Case.objects.count() == Run.objects.count() == 1
    assert Report.objects.count() == 24


def test_an_author_stays_suspended_while_one_case_is_rolled_back_and_another_decides_on_them(
    client_app: App, platform: Platform
) -> None:
    authors = [f"author-{number}" for number in range(AUTHOR_TRIALS)]
    before = {author: client_app.start(author_id=author) for author in authors}
    beside = {author: client_app.start(author_id=author) for author in authors}
    _work_without_notices()
    for author in authors:
        assert client_app.decide(before[author], "suspend_author").status_code == 202
    _work_without_notices()
    for author in authors:
        assert client_app.roll_back(before[author]).status_code == 202
        assert client_app.decide(beside[author], "suspend_author").status_code == 202
        taken_back = Run.objects.get(case_id=before[author], kind=RunKind.ROLLBACK).pk
        decided = Run.objects.get(case_id=beside[author], kind=RunKind.RESUME).pk
        at_once(lambda run=taken_back: legs.roll_back(run), lambda run=decided: legs.resume(run))
    _work_without_notices()
    assert _suspended(platform) == set(authors)
    assert {client_app.case(case_id)["status"] for case_id in beside.values()} == {"completed"}
    assert {client_app.case(case_id)["status"] for case_id in before.values()} == {"pending_review"}

    for author in authors:
        assert client_app.roll_back(beside[author]).status_code == 202
    _work_without_notices()
    assert _suspended(platform) == set()


def test_an_undo_and_the_leg_it_would_stop_never_both_win(client_app: App) -> None:
    moderator = ana()
    winners: Counter[str] = Counter()
    for trial in range(UNDO_TRIALS):
        case_id = UUID(client_app.start())
        work()
        claimed = review.claim(case_id, by=console(moderator))
        ruling = Ruling("violation", ["remove_content"], ["harassment"], "Rude.")
        review.decide(case_id, ruling, by=console(moderator), claim_token=str(claimed.claim_token))
        run = Run.objects.get(case_id=case_id, kind=RunKind.RESUME)
        Run.objects.filter(pk=run.pk).update(due_at=Now() + timedelta(milliseconds=40))

        def undo(late: float = trial * 0.004, case_id: UUID = case_id) -> bool:
            time.sleep(late)
            try:
                review.undo(case_id, by=console(moderator))
            except IllegalMove:
                return False
            return True

        def resume(run_id: UUID = run.pk) -> bool:
            while Run.objects.filter(pk=run_id, done_at=None, cancelled_at=None).exists():
                legs.resume(run_id)
            return Run.objects.filter(pk=run_id, done_at__isnull=False).exists()

        undone, resumed = at_once(undo, resume)
        assert undone != resumed
        winners["undo" if undone else "resume"] += 1
        case = Case.objects.get(pk=case_id)
        withdrawn = Decision.objects.get(case_id=case_id).withdrawn_at is not None
        assert (case.status, withdrawn, case.decision_id is None, case.orders.count(), case.claimed_by_id) == (
            ("pending_review", True, True, 0, moderator.pk) if undone else ("enforcing", False, False, 1, None)
        )
        work()
    assert sum(winners.values()) == UNDO_TRIALS
    assert set(winners) == {"undo", "resume"}, "the trials did not come close enough to each other"


def _work_without_notices() -> None:
    """Analyses, legs and orders only: this many cases have more to announce than there is time for."""
    while True:
        Notice.objects.filter(order=None, delivered_at=None).update(delivered_at=Now())
        offers = outbox.claim(starts_at_once=8)
        if not offers:
            return
        for offer in offers:
            WORK[offer.kind](offer.id)


def _suspended(platform: Platform) -> set[str]:
    """Whom a receiver that simply obeys, in the order of arrival, has suspended; each line came in its order."""
    suspended: set[str] = set()
    last: dict[str, int] = {}
    for _, document in orders_told(platform):
        data = document["data"]
        author = data["author_id"]
        assert data["sequence"] > last.get(author, 0), "out of its subject's line"
        last[author] = data["sequence"]
        if data["action"] == "suspend_author":
            suspended.add(author)
            assert datetime.fromisoformat(data["params"]["expires_at"])
        else:
            assert data["action"] == "unsuspend_author"
            suspended.discard(author)
    return suspended
