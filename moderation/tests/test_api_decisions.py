"""The front desk: decisions and rollbacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moderation.models import Case, Order
from moderation.tests.api_answers import GOOD, assert_problem, pointers
from moderation.tests.people import MILD, RUDE, App, work

SUSPEND = "suspend_author"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"outcome": "guilty"}, "/outcome"),
        ({"outcome": "cleared"}, "/outcome"),
        ({"outcome": "no_violation", "actions": ["remove_content"]}, "/actions"),
        ({"outcome": "violation", "actions": ["shout"]}, "/actions/0"),
        ({"outcome": "violation", "actions": ["remove_content", {"action": "restore_content"}]}, "/actions/1"),
        ({"outcome": "violation", "actions": ["ban_author", "ban_author"]}, "/actions/1"),
        ({"outcome": "violation", "actions": [{"action": SUSPEND, "params": {"days": 0}}]}, "/actions/0/params/days"),
        ({"outcome": "violation", "actions": [{"action": SUSPEND, "params": {"days": True}}]}, "/actions/0/params/days"),  # noqa: E501
        ({"outcome": "violation", "actions": [{"action": SUSPEND, "params": {"weeks": 1}}]}, "/actions/0/params"),
        ({"outcome": "violation", "actions": [{"action": "remove_content", "params": []}]}, "/actions/0/params"),
        ({"outcome": "violation", "actions": [5]}, "/actions/0"),
        ({"outcome": "violation", "actions": "remove_content"}, "/actions"),
        ({"outcome": "violation", "policies": ["no-such-policy"]}, "/policies/0"),
        ({"outcome": "violation", "decided_by": " \u200b".strip("\u200b")}, "/decided_by"),
        ({"outcome": "violation", "reason": "x" * 5001}, "/reason"),
    ],
)  # fmt: skip
def test_an_unacceptable_decision_changes_nothing(
    client_app: App, waiting: str, body: dict[str, Any], pointer: str
) -> None:
    before = client_app.case(waiting)
    answer = client_app.post(f"cases/{waiting}/resume/", {"decided_by": "Ana", **body})
    assert_problem(answer, 422)
    assert pointer in pointers(answer)
    assert client_app.case(waiting) == before


def test_a_decision_keeps_its_words_and_stands_in_the_case(client_app: App, waiting: str) -> None:
    answer = client_app.decide(
        waiting,
        "remove_content",
        {"action": "suspend_author", "params": {"days": 30}},
        policies=["harassment"],
        reason="It insults another person.",
        note="Third time.",
    )
    assert answer.status_code == 202
    decision = client_app.case(waiting)["decision"]
    assert decision["actions"] == [
        {"action": "remove_content", "params": {}},
        {"action": "suspend_author", "params": {"days": 30}},
    ]
    assert (decision["policies"], decision["decided_by"]) == (["harassment"], "Ana")
    assert "Third time." not in json.dumps(decision), "the note is the moderators' own"


def test_a_second_decision_is_409(client_app: App, waiting: str) -> None:
    assert client_app.decide(waiting).status_code == 202
    assert_problem(client_app.decide(waiting, by="Ben"), 409, "illegal_move")


def test_if_match_is_honoured(client_app: App, waiting: str) -> None:
    body = {"outcome": "no_violation", "decided_by": "Ana"}
    stale = client_app.post(f"cases/{waiting}/resume/", body, **{"If-Match": '"1"'})
    assert_problem(stale, 412, "precondition_failed")
    current = client_app.get(f"cases/{waiting}/")["ETag"]
    assert client_app.post(f"cases/{waiting}/resume/", body, **{"If-Match": current}).status_code == 202


@pytest.mark.parametrize("spelling", ["Ana", " ana ", "ANA", "Ａｎａ", "aN\u0061"])
def test_the_second_reviewer_is_not_the_first_however_the_name_is_spelt(
    client_app: App, waiting: str, spelling: str
) -> None:
    client_app.decide(waiting, "remove_content", by="Ana")
    work()
    client_app.roll_back(waiting)
    work()
    assert_problem(client_app.decide(waiting, by=spelling, outcome="no_violation"), 403, "same_reviewer")
    assert client_app.case(waiting)["status"] == "pending_review"
    assert client_app.decide(waiting, by="Ben", outcome="no_violation").status_code == 202


# --- roll back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"requested_by": "Sue"}, "/reason"),
        ({"reason": "r"}, "/requested_by"),
        ({"reason": "r", "requested_by": "Sue", "keep_in_force": "yes"}, "/keep_in_force"),
    ],
)
def test_an_unacceptable_rollback_changes_nothing(
    client_app: App, waiting: str, body: dict[str, Any], pointer: str
) -> None:
    client_app.decide(waiting, "remove_content")
    work()
    answer = client_app.post(f"cases/{waiting}/rollback/", body)
    assert_problem(answer, 422)
    assert pointers(answer) == [pointer]
    assert client_app.case(waiting)["status"] == "completed"


def test_a_decision_that_is_only_just_being_carried_out_cannot_be_rolled_back(client_app: App, waiting: str) -> None:
    client_app.decide(waiting, "remove_content")
    assert_problem(client_app.roll_back(waiting), 409, "illegal_move")


def test_a_cleared_case_can_be_reopened(client_app: App) -> None:
    case_id = client_app.start(MILD)
    work()
    assert client_app.roll_back(case_id).status_code == 202
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["round"]) == ("pending_review", 2)
    assert client_app.decide(case_id, "label_content").status_code == 202
    work()
    assert client_app.case(case_id)["outcome"] == "violation"


def test_keep_in_force_reopens_without_reversing_and_the_next_decision_takes_over(
    client_app: App, waiting: str
) -> None:
    client_app.decide(waiting, "remove_content", "suspend_author")
    work()
    client_app.roll_back(waiting, keep_in_force=True)
    work()
    case = client_app.case(waiting)
    assert (case["status"], case["round"]) == ("pending_review", 2)
    assert case["decision"]["decided_by"] == "Ana", "it is still in force"
    client_app.decide(waiting, "remove_content", by="Ben")
    work()
    assert client_app.statuses(waiting) == [
        ("remove_content", "retained"),
        ("suspend_author", "reversed"),
        ("remove_content", "applied"),
    ]
    assert Order.objects.filter(action="restore_content").count() == 0


# --- found by trying to break it ---------------------------------------------------------------------------------


def test_a_case_can_be_reopened_while_the_same_text_is_open_again(client_app: App) -> None:
    first = client_app.start(RUDE, content_id="again")
    work()
    client_app.decide(first, "remove_content")
    work()
    second = client_app.start(RUDE, content_id="again")
    assert second != first
    assert client_app.roll_back(first).status_code == 202
    work()
    assert [client_app.case(case_id)["status"] for case_id in (first, second)] == ["pending_review"] * 2
    third = client_app.post("cases/", {**GOOD, "content_id": "again", "text": RUDE})
    assert (third.status_code, third.json()["id"]) == (200, second), "it joins the newest"
    client_app.decide(second, outcome="no_violation")
    client_app.decide(first, outcome="no_violation", by="Ben")
    work()
    assert {case.status for case in Case.objects.all()} == {"completed"}


def test_an_invisible_letter_makes_no_second_reviewer(client_app: App, waiting: str) -> None:
    client_app.decide(waiting, "remove_content", by="Ana")
    work()
    client_app.roll_back(waiting)
    work()
    assert_problem(client_app.decide(waiting, by="Ana\u200b", outcome="no_violation"), 403, "same_reviewer")
    assert_problem(client_app.decide(waiting, by="\u200b", outcome="no_violation"), 422)
