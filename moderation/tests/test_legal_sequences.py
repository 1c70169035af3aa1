"""Nothing a client can send, in whatever order, is answered by a 500: long names, and every verb in every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from moderation.models import Event
from moderation.states import Status
from moderation.tests.appealing import AUTHOR, appeal, decided
from moderation.tests.moderators import sql
from moderation.tests.people import RUDE, App, app, enforced, work
from moderation.tests.platform import Platform

LONG = "\U0001f600" * 200
WIDE = "\ufdfa" * 200


@pytest.mark.parametrize("length", [192, 193, 200])
@pytest.mark.parametrize("side", ["author", "reporter"])
def test_an_id_of_any_length_that_is_let_in_can_appeal(client_app: App, side: str, length: int) -> None:
    who = {"author": "author-1", "reporter": "reporter-1", side: "x" * length}
    report = {"reporter_id": who["reporter"], "reason": "Rude."}
    case_id = enforced(client_app, "remove_content", author_id=who["author"], report=report)
    assert appeal(client_app, case_id, who=who[side]).status_code == 201


@pytest.mark.parametrize("name", ["c" * 200, LONG, WIDE], ids=["long", "astral", "wide"])
def test_a_client_name_of_any_length_that_is_let_in_can_start_and_withdraw(database: None, name: str) -> None:
    caller = app(name=name)
    case_id = caller.start(RUDE)
    work()
    assert caller.post(f"cases/{case_id}/withdraw/", {"reason": "Gone."}).status_code == 202
    assert Event.objects.filter(client=caller.client, door="api").count() == 2


@pytest.mark.parametrize("name", ["d" * 200, LONG, WIDE, "\ufdfa" * 199 + "!"], ids=["long", "astral", "wide", "other"])
def test_a_decider_of_any_name_that_is_let_in(client_app: App, waiting: str, name: str) -> None:
    assert client_app.decide(waiting, "remove_content", by=name).status_code == 202
    work()
    assert client_app.roll_back(waiting, requested_by=name).status_code == 202
    work()
    assert client_app.decide(waiting, by=name).status_code == 403
    assert client_app.decide(waiting, by=WIDE[:-2]).status_code == 202


# --- withdrawn while a rollback is under way ---------------------------------------------------------------------


def withdraw(client_app: App, case_id: str, **fields: Any) -> int:
    status: int = client_app.post(f"cases/{case_id}/withdraw/", {"reason": "Gone.", **fields}).status_code
    return status


@pytest.mark.parametrize("keep_first", [False, True])
@pytest.mark.parametrize("keep_then", [False, True])
@pytest.mark.parametrize("leg_is_done", [False, True])
def test_a_case_withdrawn_while_it_was_rolled_back_can_be_rolled_back_again(
    client_app: App, platform: Platform, keep_first: bool, keep_then: bool, leg_is_done: bool
) -> None:
    case_id = enforced(client_app, "remove_content", "suspend_author")
    platform.behave = lambda document: (503, b"") if document["type"] == "action.reverse" else (200, b"")
    assert client_app.roll_back(case_id).status_code == 202
    if leg_is_done:
        work()
        assert client_app.case(case_id)["status"] == "rolling_back", "its reversals are still open"
    assert withdraw(client_app, case_id, keep_in_force=keep_first) == 202
    assert withdraw(client_app, case_id, keep_in_force=keep_first) == 409
    assert client_app.roll_back(case_id, keep_in_force=keep_then).status_code == 202
    work()
    platform.behave = lambda document: (200, b"")
    sql("UPDATE moderation_order SET due_at = now() WHERE status IN ('planned', 'delivering')")
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["round"]) == ("pending_review", 2)
    # The first rollback was accepted: what it promised to reverse is reversed, whoever was faster.
    assert {status for _, status in client_app.statuses(case_id)} == {"reversed"}
    assert client_app.decide(case_id, by="Ben", outcome="no_violation").status_code == 202
    work()
    assert client_app.case(case_id)["outcome"] == "no_violation"


def test_orders_that_a_rollback_kept_are_reversed_by_a_rollback_after_the_withdrawal(
    client_app: App, platform: Platform
) -> None:
    case_id = decided(client_app, "remove_content")
    platform.behave = lambda document: (503, b"")
    assert client_app.roll_back(case_id, keep_in_force=True).status_code == 202
    assert withdraw(client_app, case_id) == 202
    assert client_app.roll_back(case_id).status_code == 202
    work()
    platform.behave = lambda document: (200, b"")
    sql("UPDATE moderation_order SET due_at = now() WHERE status IN ('planned', 'delivering')")
    work()
    assert client_app.statuses(case_id) == [("remove_content", "reversed")]
    assert client_app.case(case_id)["status"] == "pending_review"


def test_a_withdrawn_case_takes_no_appeal_until_it_was_decided_again(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    assert withdraw(client_app, case_id, keep_in_force=False) == 202
    answer = appeal(client_app, case_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "final")
    assert client_app.roll_back(case_id).status_code == 202
    work()
    assert appeal(client_app, case_id).status_code == 201, "it joins the second review"


# --- the table of moves, walked ----------------------------------------------------------------------------------


def _brought(client_app: App, platform: Platform, to: str) -> str:
    """A case in this state, by verbs alone."""
    case_id = client_app.start(RUDE, author_id=AUTHOR, report={"reporter_id": "reporter-1", "reason": "Rude."})
    if to == "pending_analysis":
        return case_id
    work()
    if to == "pending_review":
        return case_id
    if to != "completed":
        platform.behave = lambda document: (503, b"")
    client_app.decide(case_id, "remove_content", "suspend_author")
    if to == "decided":
        return case_id
    work()
    if to in ("rolling_back", "rolling_back_asked"):
        client_app.roll_back(case_id)
    if to == "rolling_back":
        work()
    return case_id


VERBS: dict[str, Callable[[App, str, int], Any]] = {
    "decide": lambda caller, case_id, turn: caller.decide(case_id, "remove_content", by=f"Reviewer {turn}"),
    "withdraw": lambda caller, case_id, turn: caller.post(
        f"cases/{case_id}/withdraw/", {"reason": "Gone.", "keep_in_force": bool(turn % 2)}
    ),
    "roll back": lambda caller, case_id, turn: caller.roll_back(case_id, keep_in_force=bool(turn % 2)),
    "appeal": lambda caller, case_id, turn: appeal(caller, case_id, who=("author-1", "reporter-1")[turn % 2]),
    "start": lambda caller, case_id, turn: caller.post("cases/", _again(caller, case_id)),
}
STATES = [
    "pending_analysis",
    "pending_review",
    "decided",
    "enforcing",
    "completed",
    "rolling_back",
    "rolling_back_asked",
]


def _again(caller: App, case_id: str) -> dict[str, Any]:
    content_id = caller.case(case_id)["content_id"]
    report = {"reporter_id": "reporter-2", "reason": "Still rude."}
    return {"content_id": content_id, "author_id": AUTHOR, "text": RUDE, "language": "en", "report": report}


@pytest.mark.parametrize("state", STATES)
def test_every_verb_in_every_state_and_all_others_after_it_are_carried_out_or_refused(
    client_app: App, platform: Platform, state: str
) -> None:
    names = list(VERBS)
    for number in range(len(names)):
        platform.behave = lambda document: (200, b"")
        case_id = _brought(client_app, platform, state)
        for turn, name in enumerate([*names[number:], *names[:number], names[number]], 1):
            answer = VERBS[name](client_app, case_id, turn)  # a 500 is an exception here
            assert answer.status_code in (200, 201, 202, 403, 409), (names[number], name, answer.content)
            if turn + number % 2 == 3:
                work()
        assert client_app.case(case_id)["status"] in Status.values
