"""What every path of the API keeps to: no redirect, problem documents, known parameters, no reading without leave."""

from __future__ import annotations

import json
import uuid
from typing import Any

import jsonschema
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client as Browser
from django.urls import get_resolver

from moderation.api import doors
from moderation.models import Appeal, Scope
from moderation.rights import Actor, Door
from moderation.services.desk import clients
from moderation.services.story import review
from moderation.tests.api_answers import assert_problem, pointers
from moderation.tests.people import RUDE, App, ana, app, work

SECRET_WORDS = "You are a loser, and only a reader should see that."


def with_key(client_app: App, *scopes: str) -> App:
    return App(client_app.client, clients.new_key(client_app.client.pk, by=Actor.operator(), scopes=scopes), "")


def start(client_app: App, **headers: str) -> Any:
    body = {"content_id": "post-1", "author_id": "author-1", "language": "en", "text": SECRET_WORDS}
    return client_app.post("cases/", body, **headers)


# --- paths, hosts, parameters ------------------------------------------------------------------------------------


def test_every_path_works_without_its_final_slash_and_never_redirects(client_app: App) -> None:
    for pattern in get_resolver("moderation.api.urls").url_patterns:
        route = str(pattern.pattern).replace("<uuid:", "<").replace("_id>", ">")
        path = route
        for name in ("case", "appeal", "order"):
            path = path.replace(f"<{name}>", str(uuid.UUID(int=1)))
        for method in ("get", "post"):
            with_slash, without = (
                getattr(Browser(headers={"authorization": f"Bearer {client_app.api_key}"}), method)(
                    f"/api/v1/{spelt}",
                    **({"data": "{}", "content_type": "application/json"} if method == "post" else {}),
                )
                for spelt in (path, path.rstrip("/"))
            )
            assert with_slash.status_code == without.status_code, (method, path)
            assert without.status_code not in (301, 302, 307, 308), (method, path)


def test_a_post_without_the_final_slash_is_the_same_request(client_app: App) -> None:
    body = {"content_id": "post-1", "author_id": "author-1", "text": RUDE}
    first = client_app.post("/api/v1/cases", body, **{"Idempotency-Key": "once"})
    again = client_app.post("/api/v1/cases/", body, **{"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again["Idempotency-Replayed"] == "true"
    for path in ("/api/schema", "/api/docs", "/api/v1/nothing", "/api"):
        assert Browser().get(path).status_code in (200, 404), path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:99", "127.0.0.1@evil.example", "a_b", "[::1", " "])
def test_a_host_that_is_not_ours_is_a_problem_document_below_the_api(client_app: App, host: str) -> None:
    for path in ("/api/v1/cases/", "/api/v1/cases", "/api/schema/"):
        answer = Browser().get(path, headers={"host": host, "authorization": f"Bearer {client_app.api_key}"})
        assert_problem(answer, 400)
    page = Browser().get("/login/", headers={"host": host})
    assert page.status_code == 400
    assert page["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["cases/", "appeals/", "policies/", "orders/", "events/", "effects/"])
def test_a_parameter_that_is_not_known_is_refused_and_the_known_ones_are_named(client_app: App, path: str) -> None:
    answer = client_app.get(path, stats="pending_review")
    assert_problem(answer, 422)
    assert pointers(answer) == ["/stats"]
    assert "Known: " in answer.json()["errors"][0]["detail"]


def test_a_parameter_said_twice_and_one_on_a_post_are_refused(client_app: App) -> None:
    assert pointers(client_app.get("cases/?status=completed&status=enforcing")) == ["/status"]
    assert_problem(client_app.post("cases/?priority=high", {"content_id": "a", "author_id": "b", "text": "c"}), 422)


@pytest.mark.parametrize("path", ["cases/", "appeals/"])
@pytest.mark.parametrize("query", [
    {"cursor": ""}, {"cursor": "x"}, {"cursor": "cD0xMjM="}, {"cursor": "\x00"}, {"cursor": "🙂"},
    {"cursor": "bz0tMQ=="},
    {"limit": "0"}, {"limit": "-1"}, {"limit": "201"}, {"limit": "ten"}, {"limit": "١٠"}, {"limit": ""},
    {"status": "lost"}, {"status": ""}, {"status": "\x00"},
])  # fmt: skip
def test_made_up_cursors_limits_and_states_are_unacceptable(client_app: App, path: str, query: dict[str, str]) -> None:
    answer = client_app.get(path, **query)
    assert_problem(answer, 422)
    assert pointers(answer) == [f"/{next(iter(query))}"]


def test_a_view_that_names_no_scope_keeps_the_process_from_starting() -> None:
    class Forgotten(doors.Door):
        scopes = {"GET": Scope.CASES_READ}

        def post(self, request: Any) -> Any: ...

    with pytest.raises(ImproperlyConfigured, match="Forgotten names no scope for post"):
        Forgotten.as_view()


# --- writing is not reading --------------------------------------------------------------------------------------

BRIEF = {"id", "status", "outcome", "round", "version", "links"}


def test_a_key_that_may_only_write_is_never_answered_with_content(client_app: App) -> None:
    writer = with_key(client_app, "cases:write", "decisions:write", "rollback:write", "appeals:write")
    first, merged = start(writer), start(writer)
    assert set(first.json()) == set(merged.json()) == BRIEF | {"merged"}
    case_id = first.json()["id"]
    work()
    decided = writer.decide(case_id, reason="It is about the words.")
    work()
    back = writer.roll_back(case_id)
    gone = writer.post(f"cases/{case_id}/withdraw/", {"reason": "Deleted."})
    for answer in (decided, back, gone):
        assert (answer.status_code, set(answer.json())) == (202, BRIEF)
        assert answer["ETag"] == f'"{answer.json()["version"]}"'
    for path in (f"cases/{case_id}/", "cases/", "appeals/", "policies/", f"cases/{case_id}/decision-schema/"):
        assert_problem(writer.get(path), 403)


def test_a_replayed_answer_shows_no_more_than_the_present_key_may_see(client_app: App) -> None:
    writer = with_key(client_app, "cases:write")
    full = start(client_app, **{"Idempotency-Key": "k"})
    assert full.json()["text"] == SECRET_WORDS
    replayed = start(writer, **{"Idempotency-Key": "k"})
    assert replayed["Idempotency-Replayed"] == "true"
    assert set(replayed.json()) == BRIEF | {"merged"}
    assert SECRET_WORDS not in replayed.content.decode()
    assert start(client_app, **{"Idempotency-Key": "k"}).json() == full.json()


# --- what can be read --------------------------------------------------------------------------------------------


def test_the_policies_in_force_can_be_read(client_app: App) -> None:
    said = client_app.get("policies/").json()
    assert {"slug", "version", "title", "text", "severity", "allowed_actions"} == set(said[0])
    assert [row["slug"] for row in said] == sorted(row["slug"] for row in said)
    assert "harassment" in {row["slug"] for row in said}


def test_a_clients_appeals_come_in_pages_newest_first_and_are_nobody_elses(client_app: App) -> None:
    ids = []
    for number in range(3):
        case_id = client_app.start(RUDE, author_id=f"author-{number}")
        work()
        client_app.decide(case_id, reason="It is rude.")
        work()
        body = {"appellant_id": f"author-{number}", "statement": "No."}
        ids.append(client_app.post(f"cases/{case_id}/appeals/", body).json()["id"])
    page = client_app.get("appeals/", limit="2")
    assert [row["id"] for row in page.json()["results"]] == ids[:0:-1]
    rest = Browser(headers={"authorization": f"Bearer {client_app.api_key}"}).get(page.json()["next"])
    assert [row["id"] for row in rest.json()["results"]] == ids[:1]
    Appeal.objects.filter(pk=ids[0]).update(status="denied")
    assert [row["id"] for row in client_app.get("appeals/", status="denied").json()["results"]] == ids[:1]
    assert app().get("appeals/").json()["results"] == []


def test_the_schema_of_a_decision_says_what_the_verb_accepts(client_app: App) -> None:
    case_id = client_app.start(RUDE)
    path = f"cases/{case_id}/decision-schema/"
    assert_problem(client_app.get(path), 409)
    work()
    assert client_app.case(case_id)["links"]["decision_schema"] == f"/api/v1/{path}"
    schema = client_app.get(path).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    good = {"outcome": "violation", "actions": ["remove_content"], "policies": ["harassment"], "reason": "R."}
    cases: list[tuple[dict[str, Any], bool]] = [
        (good, True),
        ({**good, "actions": [{"action": "remove_content", "params": {}}]}, True),
        ({"outcome": "violation"}, True),
        ({"outcome": "no_violation", "reason": "Fine."}, True),
        ({**good, "actions": [{"action": "suspend_author", "params": {"days": 3}}], "policies": []}, True),
        ({**good, "outcome": "no_violation"}, False),
        ({**good, "outcome": "no_violation", "actions": []}, False),
        ({**good, "reason": ""}, False),
        ({**good, "reason": " \n"}, False),
        ({"outcome": "violation", "actions": ["remove_content"]}, False),
        ({**good, "actions": ["explode"]}, False),
        ({**good, "policies": ["made-up"]}, False),
        ({**good, "policies": ["spam"], "actions": ["ban_author"]}, False),
        ({**good, "actions": [{"action": "suspend_author", "params": {"days": 0}}], "policies": []}, False),
        ({**good, "surprise": 1}, False),
    ]
    for body, accepted in cases:
        assert judge.is_valid({**body, "decided_by": "Ana"}) is accepted, body
        fresh = client_app.start(RUDE)
        work()
        answer = client_app.post(f"cases/{fresh}/resume/", {**body, "decided_by": "Ana"})
        assert (answer.status_code == 202) is accepted, (body, answer.content)


def test_while_an_appeal_waits_the_schema_asks_for_the_written_answer(client_app: App) -> None:
    case_id = client_app.start(RUDE)
    work()
    client_app.decide(case_id, reason="It is rude.")
    work()
    client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": "author-1", "statement": "No."})
    work()
    judge = jsonschema.Draft202012Validator(client_app.get(f"cases/{case_id}/decision-schema/").json())
    assert not judge.is_valid({"outcome": "no_violation", "decided_by": "Ben"})
    assert judge.is_valid({"outcome": "no_violation", "decided_by": "Ben", "reason": "You are right."})


def test_a_claimed_case_still_has_its_schema(client_app: App) -> None:
    case_id = client_app.start(RUDE)
    work()
    review.claim(uuid.UUID(case_id), by=Actor.of_user(ana(), Door.CONSOLE))
    assert client_app.get(f"cases/{case_id}/decision-schema/").status_code == 200


# --- the document ------------------------------------------------------------------------------------------------


def test_the_document_tells_the_public_nothing_that_was_written_for_us(client_app: App) -> None:
    text = json.dumps(Browser().get("/api/schema/").json())
    for ours in ("moderation.", "subclasses", "review chapter", "testserver", "for the schema", "`scopes`:"):
        assert ours not in text, ours


def test_webhooks_and_feed_are_told_apart_by_their_type(client_app: App) -> None:
    document = Browser().get("/api/schema/").json()
    shapes = document["components"]["schemas"]
    types = set(document["webhooks"])
    assert set(shapes["Announcement"]["discriminator"]["mapping"]) == types
    for name, webhook in document["webhooks"].items():
        body = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert shapes[body]["properties"]["type"]["enum"] == [name]
    assert "unsuspend_author" in shapes["ReversingAction"]["enum"]
    assert shapes["ReverseData"]["properties"]["action"]["$ref"].endswith("/ReversingAction")
    assert shapes["ApplyData"]["properties"]["action"]["$ref"].endswith("/Action")


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
def test_the_document_and_its_page_are_only_read(database: None, path: str) -> None:
    browser = Browser(raise_request_exception=False)
    for method in ("post", "put", "delete", "options"):
        assert_problem(getattr(browser, method)(path), 405)
    assert_problem(browser.get(path, headers={"accept": "image/png"}), 406)
    assert browser.head(path).status_code == 200
