"""The front desk: keys of requests, and keys of clients."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from moderation.models import Case
from moderation.rights import Actor
from moderation.tests.api_answers import GOOD, assert_problem
from moderation.tests.people import App, app, work

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

    reader = App(
        client_app.client, clients.new_key(client_app.client.pk, by=Actor.operator(), scopes=["cases:read"]), ""
    )
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
