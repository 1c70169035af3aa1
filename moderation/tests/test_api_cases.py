"""The front desk: what clients may send, what they get back, and what is refused."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from moderation.models import Case, Event, Order, Report, Run
from moderation.tests.people import MILD, RUDE, App, app, work

GOOD = {"content_id": "c-1", "text": "A text.", "author_id": "a-1"}


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json().get("errors", [])]


def assert_problem(answer: Any, status: int, code: str | None = None) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(document)
    assert document["status"] == status
    assert document["request_id"] == answer["X-Request-ID"]
    if code:
        assert document["code"] == code


# --- start -------------------------------------------------------------------------------------------------------


def test_start_answers_202_with_the_case_and_where_it_is(client_app: App) -> None:
    answer = client_app.post("cases/", {**GOOD, "language": "de", "priority": "high", "url": "https://example.org/p/1"})
    assert answer.status_code == 202
    case = answer.json()
    assert answer["Location"].endswith(f"/api/v1/cases/{case['id']}/")
    assert answer["ETag"] == '"1"'
    assert (case["status"], case["round"], case["version"], case["priority"]) == ("pending_analysis", 1, 1, "high")
    assert case["merged"] is False
    assert client_app.case(case["id"])["text"] == "A text."


def test_text_is_kept_exactly_as_sent(client_app: App) -> None:
    text = "  \n\ttabs, trailing space, e\u0301 and é, 👩‍👩‍👧, \u202eright to left\u202c, ﬁ \x01\x7f "
    case_id = client_app.start(text)
    assert client_app.case(case_id)["text"] == text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"text": None}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": 5}, "/text"),
        ({"text": "x" * 20_001}, "/text"),
        ({"content_id": "x" * 201}, "/content_id"),
        ({"author_id": ["a"]}, "/author_id"),
        ({"content_type": "essay"}, "/content_type"),
        ({"language": "not a language"}, "/language"),
        ({"url": "javascript:alert(1)"}, "/url"),
        ({"url": "https://"}, "/url"),
        ({"url": "http://[::1"}, "/url"),
        ({"priority": "whenever"}, "/priority"),
        ({"priority": 1}, "/priority"),
        ({"report": {"reporter_id": "r"}}, "/report/reason"),
        ({"report": "rude"}, "/report"),
        ({"context": []}, "/context"),
        ({"context": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}}, "/context"),
        ({"context": {"a": "x" * 9000}}, "/context"),
        ({"context": {"n": 2**53 + 1}}, "/context/n"),
        ({"priorty": "high"}, "/priorty"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_unacceptable_values_are_422_with_a_pointer_and_nothing_is_stored(
    client_app: App, change: dict[str, Any], pointer: str
) -> None:
    answer = client_app.post("cases/", {**GOOD, **change})
    assert_problem(answer, 422)
    assert pointer in pointers(answer)
    assert not Case.objects.exists()
    assert not Run.objects.exists()
    assert not Event.objects.exists()


def test_missing_fields_are_all_named_at_once(client_app: App) -> None:
    assert set(pointers(client_app.post("cases/", {}))) == {"/content_id", "/text", "/author_id"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"content_id": }', b"\xff\xfe", b"[" * 100_000, b"9" * 10_000],
    ids=["empty", "cut", "hole", "not utf-8", "deep", "huge number"],
)
def test_malformed_json_is_400(client_app: App, body: bytes) -> None:
    assert_problem(client_app.post("cases/", body), 400, "malformed_json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"content_id": "c", "author_id": "a", "text": "a\\u0000b"}', "/text"),
        (b'{"content_id": "c", "author_id": "a", "text": "\\ud800"}', "/text"),
        (b'{"content_id": "c", "author_id": "a", "text": "x", "text": "y"}', "/text"),
        (b'{"content_id": "c", "author_id": "a", "text": "x", "context": {"n": NaN}}', "/context/n"),
        (b'{"content_id": "c", "author_id": "a", "text": "x", "context": {"\\u0000": 1}}', "/context/\ufffd"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_pointer(client_app: App, body: bytes, pointer: str) -> None:
    answer = client_app.post("cases/", body)
    assert answer.status_code in (400, 422)
    assert pointer in pointers(answer)
    assert not Case.objects.exists()


@pytest.mark.parametrize("body", [[], '"text"', 5, None, True])
def test_a_body_that_is_no_object_is_422(client_app: App, body: Any) -> None:
    assert_problem(client_app.post("cases/", body), 422)


def test_a_body_over_one_mebibyte_is_413(client_app: App) -> None:
    assert_problem(client_app.post("cases/", {**GOOD, "text": "x" * (1024 * 1024)}), 413, "too_large")


def test_another_content_type_is_415(client_app: App) -> None:
    answer = client_app._browser().post("/api/v1/cases/", "a=b", content_type="application/x-www-form-urlencoded")
    assert_problem(answer, 415)


def test_the_same_content_and_text_joins_the_open_case_and_keeps_every_reporter(client_app: App) -> None:
    first = client_app.post("cases/", {**GOOD, "report": {"reporter_id": "r1", "reason": "Rude."}})
    second = client_app.post("cases/", {**GOOD, "report": {"reporter_id": "r2", "reason": "Unkind."}})
    again = client_app.post("cases/", {**GOOD, "report": {"reporter_id": "r2", "reason": "Once more."}})
    assert (first.status_code, second.status_code, again.status_code) == (202, 200, 200)
    assert second.json()["merged"] is True
    case = client_app.case(first.json()["id"])
    assert case["reports_total"] == 2
    assert [report["reporter_id"] for report in case["reports"]] == ["r2", "r1"]
    assert case["version"] == 1, "a report never disturbs a decision"


def test_another_text_of_the_same_content_is_a_new_case_that_names_the_one_before(client_app: App) -> None:
    first = client_app.post("cases/", GOOD).json()
    second = client_app.post("cases/", {**GOOD, "text": "Another text."})
    assert second.status_code == 202
    assert second.json()["links"]["previous"] == first["links"]["self"]


def test_a_completed_case_is_not_joined(client_app: App) -> None:
    first = client_app.start(MILD, content_id="same")
    work()
    assert client_app.case(first)["status"] == "completed"
    second = client_app.post("cases/", {**GOOD, "content_id": "same", "text": MILD})
    assert second.status_code == 202
    assert second.json()["id"] != first


# --- keys --------------------------------------------------------------------------------------------------------


def test_the_same_key_answers_the_first_answer_again(client_app: App) -> None:
    first = client_app.post("cases/", GOOD, **{"Idempotency-Key": "k-1"})
    work()
    again = client_app.post("cases/", GOOD, **{"Idempotency-Key": "k-1"})
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content, again["Location"]) == (202, first.content, first["Location"])
    assert Case.objects.count() == 1


def test_the_same_key_for_another_request_is_422(client_app: App) -> None:
    client_app.post("cases/", GOOD, **{"Idempotency-Key": "k-1"})
    other = client_app.post("cases/", {**GOOD, "text": "Another."}, **{"Idempotency-Key": "k-1"})
    assert_problem(other, 422, "idempotency_key_reused")
    assert Case.objects.count() == 1


def test_a_refusal_is_remembered_too_and_leaves_nothing_else(client_app: App) -> None:
    case_id = client_app.start()
    key = {"Idempotency-Key": "k-2"}
    first = client_app.post(f"cases/{case_id}/rollback/", {"reason": "r", "requested_by": "Sue"}, **key)
    again = client_app.post(f"cases/{case_id}/rollback/", {"reason": "r", "requested_by": "Sue"}, **key)
    assert_problem(first, 409, "illegal_move")
    assert (again.status_code, again.content) == (409, first.content)
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotency-Replayed"] == "true"


def test_keys_belong_to_their_client(client_app: App) -> None:
    other = app()
    key = {"Idempotency-Key": "shared"}
    assert client_app.post("cases/", GOOD, **key).status_code == 202
    answer = other.post("cases/", GOOD, **key)
    assert answer.status_code == 202
    assert "Idempotency-Replayed" not in answer


def test_24_starts_at_once_under_one_key_make_one_case(client_app: App) -> None:
    answers: list[Any] = []
    gate = threading.Barrier(24)

    def start() -> None:
        from django.db import connection

        gate.wait()
        answers.append(client_app.post("cases/", GOOD, **{"Idempotency-Key": "one"}))
        connection.close()

    threads = [threading.Thread(target=start) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 24
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"in_flight"}
    assert Case.objects.count() == 1
    assert client_app.post("cases/", GOOD, **{"Idempotency-Key": "one"})["Idempotency-Replayed"] == "true"


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer gk_nobody00_x", "Basic abc", "Bearer \x00"])
def test_without_a_live_key_it_is_401(client_app: App, key: str) -> None:
    from django.test import Client as Browser

    answer = Browser(headers={"authorization": key} if key else {}).get("/api/v1/cases/")
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_key_without_the_scope_is_403(client_app: App) -> None:
    from moderation.services.desk import clients

    reader = App(client_app.client, clients.new_key(client_app.client, scopes=["cases:read"]), "")
    assert_problem(reader.post("cases/", GOOD), 403, "scope_missing")
    assert reader.get("cases/").status_code == 200


def test_another_clients_case_is_not_there(client_app: App) -> None:
    case_id = client_app.start()
    work()
    stranger = app()
    assert_problem(stranger.get(f"cases/{case_id}/"), 404)
    assert_problem(stranger.get(f"cases/{case_id}/events/"), 404)
    assert_problem(stranger.decide(case_id, "remove_content"), 404)
    assert_problem(stranger.roll_back(case_id), 404)
    assert stranger.get("cases/").json()["results"] == []


@pytest.mark.parametrize("path", ["cases/nonsense/", "cases/00000000-0000-0000-0000-000000000000/", "nothing/"])
def test_what_is_not_there_is_404(client_app: App, path: str) -> None:
    assert_problem(client_app.get(path), 404)


def test_a_method_a_path_does_not_have_is_405(client_app: App) -> None:
    answer = client_app._browser().delete("/api/v1/cases/")
    assert_problem(answer, 405)
    assert "POST" in answer["Allow"]


# --- decide ------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(client_app: App) -> str:
    """A case that waits for review."""
    case_id = client_app.start(RUDE)
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    return case_id


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


# --- read --------------------------------------------------------------------------------------------------------


def test_pages_are_stable_and_link_to_each_other(client_app: App) -> None:
    ids = [client_app.start(f"Text {number}") for number in range(5)]
    first = client_app.get("cases/", limit="2")
    assert f'<{first.json()["next"]}>; rel="next"' in first["Link"]
    seen, page = [], first.json()
    while True:
        seen += [case["id"] for case in page["results"]]
        if page["next"] is None:
            break
        page = client_app.get(page["next"].removeprefix("http://testserver")).json()
    assert seen == ids[::-1]


def test_filters(client_app: App) -> None:
    cleared, rude = client_app.start(MILD, author_id="x"), client_app.start(RUDE, content_id="y")
    work()

    def found(**query: str) -> list[str]:
        return [case["id"] for case in client_app.get("cases/", **query).json()["results"]]

    assert found(status="completed") == [cleared]
    assert found(content_id="y") == [rude]
    assert found(author_id="x") == [cleared]
    created = client_app.case(rude)["created_at"]
    assert found(created_before=created) == [cleared]
    assert found(created_after=created) == []
    for bad in ({"status": "lost"}, {"created_after": "yesterday"}, {"created_before": "2026-01-01T00:00:00"}):
        assert_problem(client_app.get("cases/", **bad), 422)


def test_the_timeline_tells_the_story_in_order(client_app: App, waiting: str) -> None:
    client_app.decide(waiting, "remove_content")
    work()
    answer = client_app.get(f"cases/{waiting}/events/")
    assert [event["type"] for event in answer.json()["results"]] == [
        "case.accepted",
        "case.review_requested",
        "case.decided",
        "order.planned",
        "order.applied",
        "case.completed",
    ]


def test_only_fifty_reports_are_shown_and_all_are_counted(client_app: App) -> None:
    case_id = client_app.start(RUDE, content_id="popular")
    Report.objects.bulk_create([Report(case_id=case_id, reporter_id=f"r{n}", reason="Rude.") for n in range(60)])
    case = client_app.case(case_id)
    assert (len(case["reports"]), case["reports_total"]) == (50, 60)


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


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "cD0yMDIw"},
        {"cursor": "cD0lMDA="},
        {"cursor": "abc"},
        {"created_after": "9999-12-31T23:59:59-23:00"},
        {"created_before": "0001-01-01T00:00:00+23:00"},
    ],
)
def test_made_up_cursors_and_impossible_times_are_422(client_app: App, query: dict[str, str]) -> None:
    client_app.start()
    assert_problem(client_app.get("cases/", **query), 422)


def test_a_packed_body_or_another_charset_is_415(client_app: App) -> None:
    browser = client_app._browser()
    packed = browser.post(
        "/api/v1/cases/", b"{}", content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert_problem(packed, 415)
    assert packed.json()["title"] == "Unsupported Media Type"
    assert_problem(browser.post("/api/v1/cases/", b"{}", content_type="application/json; charset=latin-1"), 415)
    assert browser.post("/api/v1/cases/", b"{}", content_type="application/json; charset=utf-8").status_code == 422


def test_a_content_length_that_is_none_is_400(client_app: App) -> None:
    answer = client_app._browser().post("/api/v1/cases/", b"{}", content_type="application/json", CONTENT_LENGTH="abc")
    assert answer.status_code == 400


def test_an_invisible_letter_makes_no_second_reviewer(client_app: App, waiting: str) -> None:
    client_app.decide(waiting, "remove_content", by="Ana")
    work()
    client_app.roll_back(waiting)
    work()
    assert_problem(client_app.decide(waiting, by="Ana\u200b", outcome="no_violation"), 403, "same_reviewer")
    assert_problem(client_app.decide(waiting, by="\u200b", outcome="no_violation"), 422)
