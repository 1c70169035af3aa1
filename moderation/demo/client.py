"""How an app talks to Guardian: a small typed client, ready to be copied into another project. Needs httpx2.

    guardian = Guardian("https://guardian.example/api/v1/", "gk_…")
    case = guardian.start(content_id="post-1", author_id="anna", text="…", language="en")
    guardian.report(content_id="post-1", author_id="anna", text="…", reporter_id="ben", reason="Rude.")
    guardian.case(case.id).status
    guardian.appeal(case.id, appellant_id="anna", statement="I was quoting.", language="en").status_url

What Guardian decides comes back as webhooks: see webhooks.py (is it really Guardian?), orders.py (what to do),
notices.py (what to tell people) and catch_up.py (what if some were missed).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import httpx2

TIMEOUT_SECONDS = 5.0
TRIES = 3
LONGEST_WAIT_SECONDS = 5.0
"""Who waits is often a person: a longer Retry-After is not waited for, but raised."""


class GuardianError(Exception):
    """Guardian did not do it. `status` 0: it was not reached. `code`: for programs; `detail`: one sentence for people.
    `may_retry`: the same request may succeed later; send it with the same idempotency key. (429 and 503 were tried
    again a few times already.)"""

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


@dataclass(frozen=True)
class Appeal:
    """An appeal and where it stands. `answer`: what the second review says. `status_url`: a public page that nobody can
    guess; show it to the appellant only."""

    id: str
    case_id: str
    appellant_id: str
    side: str
    status: str
    statement: str
    answer: str
    status_url: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{name: str(document[name] or "") for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Event:
    """One line of the feed: what a webhook says (`document` is its body, `id` its webhook-id), and its position."""

    position: int
    id: str
    type: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Effect:
    """Something that should be in force now, and the order (its webhook-id) that said so."""

    action: str
    expires_at: datetime | None
    order_id: str
    case_id: str
    decision_id: str


@dataclass(frozen=True)
class Standing:
    """All that should be in force on one content or author, and up to which order that is true: what comes later with
    no higher `sequence` is overtaken by it."""

    sequence: int
    effects: list[Effect]


class Guardian:
    """One per process: it keeps its connections. Safe to use from many threads; every method may raise GuardianError.

    Every POST carries an Idempotency-Key, so it may be repeated with the same `key` after a time-out and nothing is
    done twice. When Guardian asks for patience (429, 503) the same request is sent again after the time it names.
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

    def appeal(self, case_id: str, *, appellant_id: str, statement: str, language: str = "", key: str = "") -> Appeal:
        """Pass on an objection of the content's author, or of somebody who reported it; somebody else looks again.

        Refusals: 403 `not_a_party`; 409 `already_appealed`, `window_closed`, `final`, `illegal_move`.
        """
        body = {"appellant_id": appellant_id, "statement": statement, "language": language}
        return Appeal.of(self._post(f"cases/{case_id}/appeals/", body, key))

    def get_appeal(self, appeal_id: str) -> Appeal:
        """How an appeal stands now."""
        return Appeal.of(self._answer("GET", f"appeals/{appeal_id}/"))

    def events(self, after: int = 0) -> list[Event]:
        """The next announcements behind a position, in order, at most 100; empty at the end. Nothing ever appears
        behind a position that was answered, so the last one seen is all that must be remembered."""
        page = self._answer("GET", "events/", params={"after": after})
        return [Event(int(said["position"]), str(said["id"]), str(said["type"]), said) for said in page["results"]]

    def effects(self, *, content_id: str = "", author_id: str = "") -> Standing:
        """What should be in force now on one content, or on one author."""
        asked = {"content_id": content_id} if content_id else {"author_id": author_id}
        answer = self._answer("GET", "effects/", params=asked)
        effects = [
            Effect(
                action=str(said["action"]),
                expires_at=datetime.fromisoformat(said["expires_at"]) if said["expires_at"] else None,
                order_id=str(said["order_id"]),
                case_id=str(said["case_id"]),
                decision_id=str(said["decision_id"]),
            )
            for said in answer["results"]
        ]
        return Standing(int(answer["sequence"]), effects)

    def _post(self, path: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        return self._answer("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        for tries_left in reversed(range(TRIES)):
            try:
                response = self._http.request(method, path, **request)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise GuardianError(0, "unreachable", "The moderation service cannot be reached.") from error
            wait = _asked_to_wait(response)
            if wait is None or wait > LONGEST_WAIT_SECONDS or not tries_left:
                break
            time.sleep(wait)
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


def _asked_to_wait(response: httpx2.Response) -> float | None:
    """Seconds until the same request may be sent again, or None if there is no point in that."""
    if response.status_code not in (429, 503):
        return None
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 1.0


def _sentence(problem: Mapping[str, Any]) -> str:
    """What an RFC 9457 problem document says, its bad fields included."""
    fields = [f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()) if "pointer" in error]
    return " ".join([str(problem.get("detail") or problem.get("title") or "It was refused."), *fields])
