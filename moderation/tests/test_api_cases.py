"""The front desk: what clients may send and read, what they get back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from moderation.models import Case, Event, Report, Run
from moderation.tests.api_answers import GOOD, assert_problem, pointers
from moderation.tests.people import MILD, RUDE, App, work

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
