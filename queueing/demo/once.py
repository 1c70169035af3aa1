"""`manage.py demo --once`: one case through its whole life, each step held against what was promised.

The client's platform is a small HTTP server on loopback that checks signatures and remembers what it was ordered.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from moderation.demo.webhooks import NotGenuine, verified
from moderation.models import Case, Client, Scope
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.story import intake, review, rollback
from moderation.services.story.rulings import Ruling
from moderation.standalone.datadir import Secrets
from moderation.states import Direction, Outcome, Status

NAME = "demo-once"
TEXT = "You are a loser, nobody likes you."
ACTIONS = ("remove_content", "suspend_author", "warn_author")
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Step:
    """One step of the journey, as the table shows it."""

    step: str
    held: bool
    detail: str
    seconds: float


class DidNotHold(Exception):
    """The reason, for the person at the terminal."""


class Platform:
    """Receives webhooks at `url` until it is closed."""

    def __init__(self, secret: str) -> None:
        self.received: list[str] = []
        self.forged = 0
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    document = verified(body, dict(self.headers.items()), secret)
                except NotGenuine:
                    platform.forged += 1
                    self.send_response(401)
                    self.end_headers()
                    return
                if document["type"].startswith("action."):
                    platform.received.append(document["data"]["action"])
                answer = json.dumps({"result": "applied"}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="platform", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Journey:
    """Walks one new case; `steps` tells how it went, also when it stopped half-way."""

    def __init__(self, client: Client, platform: Platform, check: Callable[[], None]) -> None:
        self.steps: list[Step] = []
        self._client = client
        self._actor = Actor.of_client(client, Scope.values)
        self._platform = platform
        self._check = check
        self._case = Case()

    def walk(self) -> None:
        """Raises DidNotHold at the first step that is not as promised."""
        self._step("start", self._start, lambda: self._is(Status.PENDING_ANALYSIS))
        self._step("pause", lambda: self._until(Status.PENDING_REVIEW), self._is_assessed)
        self._step("decision", self._decide, lambda: self._case.decision is not None)
        self._step("enforcement", lambda: self._until(Status.COMPLETED), self._is_enforced)
        self._step("rollback", self._roll_back, lambda: self._is(Status.ROLLING_BACK))
        self._step("second pause", lambda: self._until(Status.PENDING_REVIEW), self._is_reversed)
        self._step("second decision", self._decide_again, self._is_corrected)

    def _step(self, name: str, act: Callable[[], object], held: Callable[[], bool]) -> None:
        began = time.monotonic()
        trouble = ""
        try:
            act()
            self._look()
            good = held()
        except TimeoutError as error:
            self._look()
            good, trouble = False, str(error)
        self.steps.append(Step(name, good, trouble or self._standing(), round(time.monotonic() - began, 2)))
        if not good:
            raise DidNotHold(f"The step “{name}” did not hold: {trouble or self._standing()}.")

    # --- the steps -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        name = uuid.uuid4()
        submission = intake.Submission(
            content_id=f"once-{name}", text=TEXT, author_id=f"author-{name}", content_type="post", language="en"
        )
        self._case = intake.start(submission, by=self._actor).case

    def _decide(self) -> None:
        self._rule(Ruling(Outcome.VIOLATION, ACTIONS, ("harassment",), "It insults a person."), by="mia")

    def _decide_again(self) -> None:
        self._rule(Ruling(Outcome.NO_VIOLATION, reason="It was a quotation."), by="noah")
        self._until(Status.COMPLETED)

    def _rule(self, ruling: Ruling, *, by: str) -> None:
        review.decide(self._case.pk, ruling, by=self._actor.naming(by))

    def _roll_back(self) -> None:
        rollback.roll_back(self._case.pk, by=self._actor.naming("sofia"), reason="The author says it was a quotation.")

    # --- what must hold ------------------------------------------------------------------------------------------

    def _is(self, status: Status) -> bool:
        # A quick worker may be further already: what counts is that the history has it.
        return self._case.events.filter(data__to=status.value).exists()

    def _is_assessed(self) -> bool:
        return self._case.round == 1 and self._case.assessments.filter(round=1).exists()

    def _is_enforced(self) -> bool:
        return self._case.outcome == Outcome.VIOLATION and self._platform.received == list(ACTIONS)

    def _is_reversed(self) -> bool:
        received = self._platform.received[len(ACTIONS) :]
        return self._case.round == 2 and received == ["unsuspend_author", "restore_content"]

    def _is_corrected(self) -> bool:
        return (self._case.outcome, self._case.round, self._platform.forged) == (Outcome.NO_VIOLATION, 2, 0)

    # --- looking -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._case = Case.objects.select_related("decision").get(pk=self._case.pk)

    def _until(self, status: Status) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._check()
            self._look()
            if self._case.status == status:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {PATIENCE_SECONDS} s the case is {self._case.status}, not {status.value}")
            time.sleep(0.02)

    def _standing(self) -> str:
        orders = self._case.orders.filter(direction=Direction.APPLY, resends=None).order_by("place")
        actions = ", ".join(f"{order.action} {order.status}" for order in orders)
        parts = [f"{self._case.status} {self._case.outcome}".strip(), f"round {self._case.round}", actions]
        return "; ".join(part for part in parts if part)


def client_for(platform_url: str, secrets: Secrets) -> Client:
    """The client of these runs: the forum's own address must not change for one of them."""
    known = Client.objects.filter(name=NAME).first()
    if known is None:
        return clients.create(NAME, by=Actor.operator(), webhook_url=platform_url, secret=secrets.webhook_secret).client
    known.webhook_url, known.webhook_secret, known.failing_since = platform_url, secrets.webhook_secret, None
    known.is_active = True
    known.save()
    return known
