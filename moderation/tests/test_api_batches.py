"""Batches: an answer for each item, in few statements."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from moderation.models import Case, Report, Run
from moderation.tests.api_answers import assert_problem
from moderation.tests.people import App, work

# --- batch -------------------------------------------------------------------------------------------------------


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {"content_id": f"c-{number}", "text": f"Text {number}.", "author_id": "a-1", **fields}


def test_a_batch_answers_for_each_item_and_one_bad_item_keeps_no_other_back(client_app: App) -> None:
    client_app.post("cases/", item(0))
    answer = client_app.post(
        "cases/batch/",
        {
            "cases": [
                item(0, report={"reporter_id": "r", "reason": "Rude."}),
                item(1),
                item(1, report={"reporter_id": "r", "reason": "Rude."}),
                item(2, text=""),
                "nonsense",
                item(3),
            ]
        },
    )
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["merged"], body["rejected"]) == (2, 2, 2)
    assert [result["result"] for result in body["results"]] == [
        "merged", "accepted", "merged", "rejected", "rejected", "accepted",
    ]  # fmt: skip
    assert body["results"][3]["errors"][0]["pointer"] == "/cases/3/text"
    assert body["results"][1]["id"] == body["results"][2]["id"]
    assert Report.objects.count() == 2
    assert Run.objects.count() == Case.objects.count() == 3


def test_what_cannot_be_kept_refuses_only_its_item(client_app: App) -> None:
    good = json.dumps(item(1))
    body = '{"cases": [%s, {"content_id": "x", "author_id": "a", "text": "a\\u0000b"}, {"text": "a", "text": "b"}]}'
    results = client_app.post("cases/batch/", body % good).json()["results"]
    assert [result["result"] for result in results] == ["accepted", "rejected", "rejected"]
    assert results[1]["errors"][0]["pointer"] == "/cases/1/text"


@pytest.mark.parametrize("body", [{}, [], {"cases": {}}, {"cases": []}, {"cases": [1] * 1001}, {"cases": [], "x": 1}])
def test_a_batch_that_is_none_is_422(client_app: App, body: Any) -> None:
    assert_problem(client_app.post("cases/batch/", body), 422)


def test_a_batch_is_written_in_few_statements_and_several_times_faster_than_single_posts(
    client_app: App, django_assert_max_num_queries: Any
) -> None:
    work()
    singles, batches = [], []
    for again in range(3):  # in turns, and the best of each: others use this machine too
        started = time.perf_counter()
        for number in range(20):
            client_app.post("cases/", item(20 * again + number))
        singles.append((time.perf_counter() - started) / 20)
        first = 1000 * (again + 1)
        cases = [item(first + number, report={"reporter_id": "r", "reason": "Rude."}) for number in range(1000)]
        with django_assert_max_num_queries(25):
            started = time.perf_counter()
            answer = client_app.post("cases/batch/", {"cases": cases})
            batches.append((time.perf_counter() - started) / 1000)
        assert answer.json()["accepted"] == 1000
    faster = min(singles) / min(batches)
    assert faster >= 3, f"{faster:.1f} times faster per case"


def test_a_batch_under_one_key_is_one_batch(client_app: App) -> None:
    body, key = {"cases": [item(1), item(2)]}, {"Idempotency-Key": "b"}
    first = client_app.post("cases/batch/", body, **key)
    again = client_app.post("cases/batch/", body, **key)
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
