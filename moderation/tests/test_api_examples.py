"""The examples in the OpenAPI document are what really was sent and answered: this journey, with its ids made plain.

When an answer has changed on purpose: delete moderation/api/examples.json, run this test, and read the difference.
"""

from __future__ import annotations

import json
import re
from typing import Any

from moderation.api.openapi import EXAMPLES
from moderation.services.orders import announcements
from moderation.tests.people import App, app, work
from moderation.tests.platform import Platform

START = {
    "content_id": "post-1",
    "text": "You are a loser, nobody likes you.",
    "author_id": "anna",
    "language": "en",
    "report": {"reporter_id": "ben", "reason": "Rude."},
}


def journey(client_app: App, platform: Platform) -> dict[str, Any]:
    """Every kind of request once, on the way of one case."""
    seen: dict[str, Any] = {}

    def note(name: str, answer: Any, request: Any = None) -> Any:
        body = answer.json()
        seen[name] = {"status": str(answer.status_code), "answer": body, **({"request": request} if request else {})}
        return body

    case_id = note("start_case", client_app.post("cases/", START), START)["id"]
    batch = {"cases": [START, {"content_id": "post-2", "author_id": "carl"}]}
    note("start_cases", client_app.post("cases/batch/", batch), batch)
    work()
    note("get_decision_schema", client_app.get(f"cases/{case_id}/decision-schema/"))
    note("list_policies", client_app.get("policies/"))
    seen["list_policies"]["answer"] = seen["list_policies"]["answer"][:2]
    decide = {
        "outcome": "violation",
        "actions": ["remove_content", {"action": "suspend_author", "params": {"days": 3}}],
        "policies": ["harassment"],
        "reason": "It insults another person.",
        "decided_by": "Mia",
    }
    note("resume_case", client_app.post(f"cases/{case_id}/resume/", decide), decide)
    work()
    note("get_case", client_app.get(f"cases/{case_id}/"))
    note("get_statement", client_app.get(f"cases/{case_id}/statement/"))
    note("list_effects", client_app.get("effects/", author_id="anna"))
    objects = {"appellant_id": "anna", "statement": "It was a quotation.", "language": "en"}
    appeal = note("appeal", client_app.post(f"cases/{case_id}/appeals/", objects), objects)
    work()
    second = {"outcome": "no_violation", "reason": "It was a quotation.", "decided_by": "Noah"}
    client_app.post(f"cases/{case_id}/resume/", second)
    work()
    note("list_appeals", client_app.get("appeals/", limit="1"))
    note("get_appeal", client_app.get(f"appeals/{appeal['id']}/"))
    note("list_case_events", client_app.get(f"cases/{case_id}/events/"))
    back = {"reason": "The quotation was the insult.", "requested_by": "Sofia"}
    note("roll_back_case", client_app.post(f"cases/{case_id}/rollback/", back), back)
    gone = {"reason": "The author deleted it."}
    note("withdraw_case", client_app.post(f"cases/{case_id}/withdraw/", gone), gone)
    note("list_cases", client_app.get("cases/", limit="1"))
    announcements.place()
    note("list_events", client_app.get("events/"))
    seen["list_events"]["answer"]["results"] = seen["list_events"]["answer"]["results"][:2]

    puller = app()
    pulled = puller.start(START["text"], author_id="anna", content_id="post-3")
    work()
    puller.decide(pulled, "remove_content")
    work()
    order = note("list_orders", puller.get("orders/"))["results"][0]
    done = {"result": "applied"}
    note("confirm_order", puller.post(f"orders/{order['id']}/confirm/", done), done)

    announcements.ping(client_app.client)
    work()
    for document in [*(document for _, document in platform.received), *platform.notices]:
        seen.setdefault(document["type"], {"request": document})
    return seen


def plain(seen: dict[str, Any]) -> dict[str, Any]:
    """Ids, times, tokens and names of the run replaced by ones that are always the same."""
    text = json.dumps(seen, sort_keys=True)
    names: dict[str, str] = {}

    def plain_id(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"01a20000-0000-7000-8000-{len(names) + 1:012d}")

    text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", plain_id, text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+]00:00)", "2026-11-22T12:00:00Z", text)
    text = re.sub(r'"(\d{4}-\d\d-\d\d)"', '"2026-11-22"', text)
    text = re.sub(r"/appeals/[A-Za-z0-9_-]{43}/", "/appeals/an-unguessable-word/", text)
    text = text.replace("http://testserver", "https://guardian.example")
    text = re.sub(r"cursor=[^\"]+", "cursor=…", text)
    text = re.sub(r"client:app-01a2[0-9-]+", "client:forum", text)
    text = re.sub(r'"id": \d+', '"id": 1', text)
    told: dict[str, Any] = json.loads(text)
    return told


def test_the_examples_are_what_really_is_answered(client_app: App, platform: Platform) -> None:
    seen = plain(journey(client_app, platform))
    if not EXAMPLES.exists():
        EXAMPLES.write_text(json.dumps(seen, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert json.loads(EXAMPLES.read_text()) == seen
