"""What the API's answers are looked at with."""

from __future__ import annotations

from typing import Any

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
