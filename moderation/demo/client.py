"""How an app talks to Guardian: a small typed client, ready to be copied into another project. Needs httpx2.

    guardian = Guardian("https://guardian.example/api/v1/", "gk_…")
    case = guardian.start(content_id="post-1", author_id="anna", text="…", language="en")
    guardian.report(content_id="post-1", author_id="anna", text="…", reporter_id="ben", reason="Rude.")
    guardian.case(case.id).status

What Guardian decides comes back as webhooks: see webhooks.py (is it really Guardian?) and orders.py (what to do).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx2

TIMEOUT_SECONDS = 5.0


class GuardianError(Exception):
    """Guardian did not do it. `status` 0: it was not reached. `code`: for programs; `detail`: one sentence for people.
    `may_retry`: the same request may succeed later; send it with the same idempotency key."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail

    @property
    def may_retry(self) -> bool:
        return self.status == 0 or self.status == 429 or self.status >= 500


@dataclass(frozen=True)
class Case:
    """A case as far as an app needs it; `document` is all of it. `merged`: the content had an open case already."""

    id: str
    status: str
    outcome: str
    round: int
    merged: bool
    document: Mapping[str, Any]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            id=str(document["id"]),
            status=str(document["status"]),
            outcome=str(document.get("outcome") or ""),
            round=int(document["round"]),
            merged=bool(document.get("merged", False)),
            document=document,
        )


class Guardian:
    """One per process: it keeps its connections. Safe to use from many threads; every method may raise GuardianError.

    Every POST carries an Idempotency-Key, so a caller may repeat it with the same `key` after a time-out and nothing
    is done twice.
    """

    def __init__(self, api_url: str, api_key: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx2.Client(
            base_url=api_url,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout,
            trust_env=False,  # a proxy of the machine does not lead to this machine
        )

    def close(self) -> None:
        self._http.close()

    def start(
        self,
        *,
        content_id: str,
        author_id: str,
        text: str,
        language: str = "",
        content_type: str = "post",
        url: str = "",
        priority: str = "normal",
        key: str = "",
    ) -> Case:
        """Have content looked at. The answer comes later, by webhook."""
        body = {
            "content_id": content_id,
            "author_id": author_id,
            "text": text,
            "content_type": content_type,
            "priority": priority,
        }
        if language:
            body["language"] = language
        if url:
            body["url"] = url
        return Case.of(self._post("cases/", body, key))

    def report(
        self,
        *,
        content_id: str,
        author_id: str,
        text: str,
        reporter_id: str,
        reason: str,
        language: str = "",
        priority: str = "normal",
        key: str = "",
    ) -> Case:
        """Pass on a user's complaint. It joins the open case of this text, or opens one."""
        body: dict[str, Any] = {
            "content_id": content_id,
            "author_id": author_id,
            "text": text,
            "content_type": "post",
            "priority": priority,
            "report": {"reporter_id": reporter_id, "reason": reason},
        }
        if language:
            body["language"] = language
        return Case.of(self._post("cases/", body, key))

    def case(self, case_id: str) -> Case:
        """How a case stands now."""
        return Case.of(self._answer("GET", f"cases/{case_id}/"))

    def decide(
        self,
        case_id: str,
        *,
        outcome: str,
        decided_by: str,
        actions: Sequence[str | Mapping[str, Any]] = (),
        policies: Sequence[str] = (),
        reason: str = "",
        key: str = "",
    ) -> Case:
        """Rule on a case from the app's own staff tools; `outcome` is `violation` or `no_violation`."""
        body = {
            "outcome": outcome,
            "actions": list(actions),
            "policies": list(policies),
            "reason": reason,
            "decided_by": decided_by,
        }
        return Case.of(self._post(f"cases/{case_id}/resume/", body, key))

    def roll_back(self, case_id: str, *, reason: str, requested_by: str, key: str = "") -> Case:
        """Take a decision back and have somebody else look."""
        body = {"reason": reason, "requested_by": requested_by}
        return Case.of(self._post(f"cases/{case_id}/rollback/", body, key))

    def _post(self, path: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        return self._answer("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **request)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise GuardianError(0, "unreachable", "The moderation service cannot be reached.") from error
        try:
            said = response.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise GuardianError(
                response.status_code or 502, "no_answer", "The moderation service gave no clear answer."
            )
        if response.is_error:
            raise GuardianError(response.status_code, str(said.get("code", "")), _sentence(said))
        return said


def _sentence(problem: Mapping[str, Any]) -> str:
    """What an RFC 9457 problem document says, its bad fields included."""
    fields = [f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()) if "pointer" in error]
    return " ".join([str(problem.get("detail") or problem.get("title") or "It was refused."), *fields])
