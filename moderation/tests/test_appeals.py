"""Appeals (contract section 3): who may, what joins, what a decision answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client as Browser

from moderation.models import Appeal, Decision, PolicyVersion
from moderation.services.desk import policies
from moderation.services.story import appeals
from moderation.tests.api_answers import assert_problem, pointers
from moderation.tests.appealing import AUTHOR, REPORTER, appeal, decided
from moderation.tests.people import MILD, RUDE, App, app, console, sue, work
from moderation.tests.platform import Platform


def state(client_app: App, answer: Any) -> str:
    return client_app.get(f"appeals/{answer.json()['id']}/").json()["status"]


def second_decision(client_app: App, case_id: str, *actions: Any, by: str = "Ben", **fields: Any) -> None:
    answer = client_app.decide(case_id, *actions, by=by, **{"reason": "Looked at again.", **fields})
    assert answer.status_code == 202, answer.content
    work()


# --- what an appeal sets in motion -------------------------------------------------------------------------------


def test_an_authors_appeal_restores_first_and_a_different_person_answers_it(
    client_app: App, platform: Platform
) -> None:
    case_id = decided(client_app, "remove_content")
    answer = appeal(client_app, case_id)
    assert answer.status_code == 201
    assert answer["Location"].endswith(f"/api/v1/appeals/{answer.json()['id']}/")
    assert answer.json()["status"] == "submitted"
    work()
    assert platform.actions == ["remove_content", "restore_content"]
    assert state(client_app, answer) == "under_review"
    assert client_app.case(case_id)["round"] == 2
    assert_problem(client_app.decide(case_id, outcome="no_violation", by="ana", reason="Fine."), 403, "same_reviewer")
    second_decision(client_app, case_id, outcome="no_violation", reason="It was a quotation.")
    told = client_app.get(f"appeals/{answer.json()['id']}/").json()
    assert (told["status"], told["answer"]) == ("granted", "It was a quotation.")
    assert [notice["type"] for notice in platform.notices if notice["type"].startswith("appeal.")] == [
        "appeal.received",
        "appeal.decided",
    ]


def test_the_written_answer_is_required(client_app: App) -> None:
    case_id = decided(client_app, "remove_content")
    appeal(client_app, case_id)
    work()
    refused = client_app.decide(case_id, outcome="no_violation", by="Ben", reason="")
    assert_problem(refused, 422)
    assert pointers(refused) == ["/reason"]
    assert client_app.case(case_id)["status"] == "pending_review"


@pytest.mark.parametrize(
    ("first", "second", "outcome", "verdict"),
    [
        (["remove_content"], [], "no_violation", "granted"),
        (["remove_content", "suspend_author"], ["remove_content"], "violation", "partly_granted"),
        (["ban_author"], ["suspend_author"], "violation", "partly_granted"),
        (["remove_content"], ["label_content"], "violation", "partly_granted"),
        (["remove_content"], [], "violation", "partly_granted"),
        (["remove_content"], ["remove_content"], "violation", "denied"),
        (["remove_content"], ["remove_content", "ban_author"], "violation", "denied"),
        ([], [], "violation", "denied"),
    ],
)
def test_how_an_authors_appeal_ends(
    client_app: App, first: list[str], second: list[str], outcome: str, verdict: str
) -> None:
    case_id = decided(client_app, *first)
    answer = appeal(client_app, case_id)
    work()
    second_decision(client_app, case_id, *second, outcome=outcome)
    assert state(client_app, answer) == verdict


def test_a_shorter_suspension_grants_in_part(client_app: App) -> None:
    case_id = decided(client_app, {"action": "suspend_author", "params": {"days": 30}})
    answer = appeal(client_app, case_id)
    work()
    second_decision(client_app, case_id, {"action": "suspend_author", "params": {"days": 3}})
    assert state(client_app, answer) == "partly_granted"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (("no_violation", []), ("violation", ["remove_content"]), "granted"),
        (("no_violation", []), ("no_violation", []), "denied"),
        (("violation", ["label_content"]), ("violation", ["remove_content"]), "granted"),
        (("violation", ["remove_content"]), ("violation", ["label_content"]), "denied"),
        (("no_violation", []), ("violation", []), "denied"),
    ],
)
def test_how_a_reporters_appeal_ends(
    client_app: App, platform: Platform, first: tuple[str, list[str]], second: tuple[str, list[str]], verdict: str
) -> None:
    case_id = decided(client_app, *first[1], outcome=first[0])
    answer = appeal(client_app, case_id, REPORTER)
    work()
    assert not [action for action in platform.actions if action.startswith("restore")], "nothing is restored for it"
    second_decision(client_app, case_id, *second[1], outcome=second[0])
    assert state(client_app, answer) == verdict


def test_an_author_and_a_reporter_on_one_case_both_get_their_answer(client_app: App) -> None:
    case_id = decided(client_app, "label_content")
    first = appeal(client_app, case_id, REPORTER)
    work()
    joins = appeal(client_app, case_id, AUTHOR)
    assert (joins.status_code, joins.json()["status"]) == (201, "under_review")
    second_decision(client_app, case_id, "remove_content")
    assert (state(client_app, first), state(client_app, joins)) == ("granted", "denied")
    assert client_app.case(case_id)["round"] == 2, "one second review for both"


# --- keep in force -----------------------------------------------------------------------------------------------


def test_under_a_grave_policy_the_decision_stays_in_force_until_the_second_review(
    client_app: App, platform: Platform
) -> None:
    case_id = decided(client_app, "ban_author", policies=["threats"])
    appeal(client_app, case_id)
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    assert platform.actions == ["ban_author"]


def test_a_policy_may_keep_in_force(client_app: App, platform: Platform) -> None:
    version = next(row for row in policies.current_versions() if row.policy.slug == "spam")
    PolicyVersion.objects.filter(pk=version.pk).update(appeal_mode="keep_in_force")
    try:
        case_id = decided(client_app, "remove_content", policies=["spam"])
        appeal(client_app, case_id)
        work()
        assert platform.actions == ["remove_content"]
    finally:
        PolicyVersion.objects.filter(pk=version.pk).update(appeal_mode="restore_first")


def test_an_author_cannot_lift_one_ban_after_another_by_appealing(client_app: App, platform: Platform) -> None:
    first, second = decided(client_app, "ban_author"), decided(client_app, "suspend_author")
    appeal(client_app, first)
    work()
    appeal(client_app, second)
    work()
    assert platform.actions == ["ban_author", "suspend_author", "unban_author"]
    assert client_app.case(second)["status"] == "pending_review"


# --- who, against what, until when -------------------------------------------------------------------------------


def test_only_the_author_and_the_reporters_are_parties(client_app: App) -> None:
    assert_problem(appeal(client_app, decided(client_app), "somebody"), 403, "not_a_party")


def test_once_each_per_decision(client_app: App) -> None:
    case_id = decided(client_app, "label_content")
    assert appeal(client_app, case_id).status_code == 201
    assert_problem(appeal(client_app, case_id), 409, "already_appealed")
    work()
    assert_problem(appeal(client_app, case_id), 409, "already_appealed")


def test_the_window_closes(client_app: App) -> None:
    case_id = decided(client_app, "label_content")
    Decision.objects.update(decided_at=Now() - timedelta(days=185))
    assert_problem(appeal(client_app, case_id), 409, "window_closed")


def test_a_denied_appeal_is_final_and_a_granted_one_opens_the_way_for_the_other_side(client_app: App) -> None:
    case_id = decided(client_app, "remove_content")
    appeal(client_app, case_id)
    work()
    second_decision(client_app, case_id, "remove_content")
    assert_problem(appeal(client_app, case_id), 409, "final")
    assert_problem(appeal(client_app, case_id, REPORTER), 409, "final")

    case_id = decided(client_app, "remove_content", author_id="author-2")
    appeal(client_app, case_id, "author-2")
    work()
    second_decision(client_app, case_id, outcome="no_violation")
    assert_problem(appeal(client_app, case_id, "author-2"), 409, "final")
    assert appeal(client_app, case_id, REPORTER).status_code == 201, "now it is the reporter who lost"


def test_a_cleared_case_can_be_appealed_by_its_reporters_only(client_app: App) -> None:
    case_id = client_app.start(MILD, author_id=AUTHOR)
    work()
    assert client_app.case(case_id)["outcome"] == "cleared"
    assert_problem(appeal(client_app, case_id), 403, "not_a_party")
    from moderation.models import Report

    Report.objects.create(case_id=case_id, reporter_id=REPORTER, reason="It is about me.")
    answer = appeal(client_app, case_id, REPORTER)
    assert answer.status_code == 201
    work()
    second_decision(client_app, case_id, "label_content", by="Ana")
    assert state(client_app, answer) == "granted"


def test_before_a_decision_there_is_nothing_to_appeal(client_app: App) -> None:
    case_id = client_app.start(RUDE, author_id=AUTHOR)
    assert_problem(appeal(client_app, case_id), 409, "illegal_move")
    work()
    assert_problem(appeal(client_app, case_id), 409, "illegal_move")
    client_app.decide(case_id, "label_content")
    assert_problem(appeal(client_app, case_id), 409, "illegal_move")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"statement": ""}, "/statement"), ({"appellant_id": 5}, "/appellant_id"), ({"language": "?"}, "/language")],
)
def test_unacceptable_appeals_change_nothing(client_app: App, body: dict[str, Any], pointer: str) -> None:
    case_id = decided(client_app, "label_content")
    answer = client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": AUTHOR, "statement": "I object.", **body})
    assert_problem(answer, 422)
    assert pointers(answer) == [pointer]
    assert not Appeal.objects.exists()
    assert client_app.case(case_id)["status"] == "completed"


def test_another_clients_appeal_is_not_there(client_app: App) -> None:
    case_id = decided(client_app)
    answer = appeal(client_app, case_id)
    stranger = app()
    assert_problem(stranger.get(f"appeals/{answer.json()['id']}/"), 404)
    assert_problem(appeal(stranger, case_id), 404)


# --- closed without judging --------------------------------------------------------------------------------------


def test_an_appeal_can_be_declared_inadmissible_once(client_app: App) -> None:
    from moderation.errors import IllegalMove, Unacceptable

    case_id = decided(client_app, "label_content")
    answer = appeal(client_app, case_id)
    row = Appeal.objects.get()
    with pytest.raises(Unacceptable):
        appeals.declare_inadmissible(row.pk, by=console(sue()), reason=" ")
    appeals.declare_inadmissible(row.pk, by=console(sue()), reason="It is about another post.")
    assert state(client_app, answer) == "inadmissible"
    with pytest.raises(IllegalMove):
        appeals.declare_inadmissible(row.pk, by=console(sue()), reason="Once more.")


def test_a_withdrawn_case_closes_its_appeals_and_is_final(client_app: App, platform: Platform) -> None:
    case_id = decided(client_app, "remove_content")
    answer = appeal(client_app, case_id)
    work()
    gone = client_app.post(f"cases/{case_id}/withdraw/", {"reason": "The author deleted it."})
    assert (gone.status_code, gone.json()["status"], gone.json()["outcome"]) == (202, "completed", "withdrawn")
    assert state(client_app, answer) == "withdrawn"
    assert_problem(appeal(client_app, case_id, REPORTER), 409, "final")


# --- the public page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "A second person"), ("de", "Eine zweite Person"), ("es", "una segunda persona")],
)
def test_the_status_page_speaks_plainly_in_the_language_asked_for(client_app: App, language: str, words: str) -> None:
    case_id = decided(client_app, "remove_content", policies=["harassment"], by="Wilhelmina")
    status_url = appeal(client_app, case_id, language=language).json()["status_url"]
    work()
    page = Browser().get(status_url.removeprefix("http://testserver"))
    assert page.status_code == 200
    assert words in page.content.decode()
    assert "Insults and harassment" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    assert "Wilhelmina" not in page.content.decode(), "nobody who decided is named"


def test_the_status_page_shows_the_answer_and_escapes_it(client_app: App) -> None:
    case_id = decided(client_app, "warn_author")
    status_url = appeal(client_app, case_id, statement="<script>alert(1)</script>").json()["status_url"]
    work()
    second_decision(client_app, case_id, outcome="no_violation", reason="<b>You were right.</b>")
    page = Browser().get(status_url.removeprefix("http://testserver")).content.decode()
    assert "&lt;b&gt;You were right.&lt;/b&gt;" in page
    assert "<script>alert" not in page
    assert "cannot be taken back" in page


@pytest.mark.parametrize("token", ["nonsense", "%00", "%F0%9F%92%A9"])
def test_a_guessed_address_shows_nothing(client_app: App, token: str) -> None:
    assert Browser().get(f"/appeals/{token}/").status_code == 404


def test_a_reporters_page_says_nothing_of_what_was_done_to_the_author(client_app: App) -> None:
    case_id = decided(client_app, "label_content", "suspend_author")
    status_url = appeal(client_app, case_id, REPORTER).json()["status_url"]
    page = Browser().get(status_url.removeprefix("http://testserver")).content.decode()
    assert "Label on the content" in page
    assert "Suspension" not in page
