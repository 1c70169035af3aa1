"""The cast: Ana and Ben moderate, Sue supervises, and a client app sends what they look at."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client as Browser

from moderation.models import Client, Role, User
from moderation.rights import Actor
from moderation.services.agent import runs
from moderation.services.desk import clients
from moderation.services.orders import delivery, notices
from moderation.services.post import outbox
from moderation.services.story import legs
from moderation.states import Door

MILD = "What a lovely morning for a walk along the river with my old dog."
RUDE = "You are a loser, nobody likes you."
THREAT = "I will find you and hurt you."


def ana() -> User:
    return User.objects.get_or_create(username="ana", defaults={"role": Role.MODERATOR})[0]


def ben() -> User:
    return User.objects.get_or_create(username="ben", defaults={"role": Role.MODERATOR})[0]


def sue() -> User:
    return User.objects.get_or_create(username="sue", defaults={"role": Role.SUPERVISOR})[0]


def console(user: User) -> Actor:
    """Somebody at the console."""
    return Actor.of_user(user, Door.CONSOLE)


@dataclass
class App:
    """A client app with its key, speaking to the API through Django's test client (in this process)."""

    client: Client
    api_key: str
    secret: str

    def post(self, path: str, body: Any, **headers: str) -> HttpResponse:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self._browser().post(_path(path), data, content_type="application/json", headers=headers)

    def get(self, path: str, **query: str) -> Any:
        return self._browser().get(_path(path), query)

    def _browser(self) -> Browser:
        return Browser(headers={"authorization": f"Bearer {self.api_key}"}, raise_request_exception=True)

    # --- the steps of a case, by the doors ---

    def start(self, text: str = RUDE, **fields: Any) -> str:
        """Post content; the new case's id."""
        body = {"content_id": f"post-{uuid.uuid4()}", "author_id": "author-1", "language": "en", "text": text, **fields}
        answer = self.post("cases/", body)
        assert answer.status_code in (200, 202), answer.content
        return answer.json()["id"]

    def case(self, case_id: str) -> dict[str, Any]:
        answer = self.get(f"cases/{case_id}/")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def decide(self, case_id: str, *actions: Any, by: str = "Ana", outcome: str = "violation", **fields: Any) -> Any:
        said = {"outcome": outcome, "actions": list(actions), "decided_by": by, "reason": "It breaks a rule.", **fields}
        return self.post(f"cases/{case_id}/resume/", said)

    def roll_back(self, case_id: str, **fields: Any) -> Any:
        return self.post(f"cases/{case_id}/rollback/", {"reason": "An appeal.", "requested_by": "Sue", **fields})

    def wait_for(self, case_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
        """The case once it has this status; for tests in which somebody else does the work."""
        return until(lambda: self.case(case_id), lambda case: case["status"] == status, seconds)

    def statuses(self, case_id: str) -> list[tuple[str, str]]:
        """(action, status) of the case's orders."""
        return [(action["action"], action["status"]) for action in self.case(case_id)["actions"]]


def app(*, webhook_url: str = "", name: str = "") -> App:
    """A new client app with all scopes."""
    new = clients.create(name or f"app-{uuid.uuid4()}", by=Actor.operator(), webhook_url=webhook_url)
    _forget_the_desk()
    return App(new.client, new.api_key, new.webhook_secret)


def _forget_the_desk() -> None:
    """What was written about making the client is not what tests of cases look at. As a replica no trigger fires."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM moderation_event WHERE case_id IS NULL")


WORK: dict[str, Callable[[uuid.UUID], None]] = {
    "start": runs.analyse,
    "resume": legs.resume,
    "rollback": legs.roll_back,
    "order": delivery.deliver,
    "notice": notices.deliver,
}


def work(*, rounds: int = 200) -> int:
    """Do everything that is due, in this thread, until nothing is; answers how many rows were worked on."""
    done = 0
    for _ in range(rounds):
        offers = outbox.claim(starts_at_once=8)
        if not offers:
            return done
        for offer in offers:
            done += 1
            WORK[offer.kind](offer.id)
    raise AssertionError("the work never ends")


def until(look: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 30) -> Any:
    """Look again and again until what is seen is good; fails with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if good(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {seen!r}"
        time.sleep(0.02)


def enforced(client_app: App, *actions: Any, **fields: Any) -> str:
    """A decided case whose orders are out."""
    case_id = client_app.start(**fields)
    work()
    assert client_app.decide(case_id, *actions).status_code == 202
    work()
    return case_id


def _path(path: str) -> str:
    return path if path.startswith("/") else f"/api/v1/{path}"
