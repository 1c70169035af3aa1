"""Mixed traffic under random faults, then a look at the books: nothing lost, nothing twice, and both sides agree.

Twelve seconds in the suite; `SOAK_SECONDS=600 SOAK_SEED=…` runs it for ten minutes, with any seed.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import connection

from moderation.models import Case, Decision, Event, Order, Run
from moderation.models.actions import ACTIONS
from moderation.services import chores
from moderation.services.record import audit
from moderation.states import IN_LINE, Status
from moderation.tests.people import App, until
from moderation.tests.platform import Obedient
from queueing.tests.deliveries import orders_told
from queueing.tests.processes import House, Process, house, url_of_the_test_database
from queueing.tests.rabbit import Node, node
from queueing.tests.wire import Answer, Wire

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")

SECONDS = float(os.environ.get("SOAK_SECONDS", "12"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
AUTHORS = [f"author-{number}" for number in range(12)]
ACTORS = 3
CHOICES = [
    ["remove_content"],
    ["suspend_author"],
    ["remove_content", "warn_author"],
    ["limit_visibility", "ban_author"],
]
REQUESTS_A_SECOND = 3.0
"""Of each actor: what two cores carry while they are being hurt, so that work is done and not only put off."""
LONGEST_PAUSE = 45 if SECONDS > 60 else 3
"""Seconds. Above the 30 of a delivery's lease, so that some paused worker wakes up after its order was taken over."""


@pytest.fixture
def platform() -> Iterator[Obedient]:
    running = Obedient(protects=True)
    yield running
    running.close()


class Traffic(threading.Thread):
    """One client app's server: posts content, decides, takes back, withdraws; every answer is kept."""

    def __init__(self, wire: Wire, seed: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.wire, self.random, self.ending = wire, random.Random(seed), ending
        self.accepted: list[str] = []
        self.answers: Counter[int] = Counter()
        self.bad: list[Answer] = []

    def run(self) -> None:
        number = 0
        while not self.ending.wait(self.random.expovariate(REQUESTS_A_SECOND)):
            number += 1
            if self.random.random() < 0.4 or not self.accepted:
                key = f"{self.name}-{number}"
                body = {"content_id": f"post-{self.name}-{number}", "author_id": self.random.choice(AUTHORS)}
                self._say(lambda body=body, key=key: self.wire.start(key=key, **body))
            else:
                self._touch(self.random.choice(self.accepted[-40:]))

    def _touch(self, case_id: str) -> None:
        what = self.random.random()
        if what < 0.6:
            body = {"outcome": "violation", "actions": self.random.choice(CHOICES), "reason": "Seen."}
            decided_by = self.random.choice(["Ana", "Ben", "Cem"])
            self._say(lambda: self.wire.post(f"cases/{case_id}/resume/", {**body, "decided_by": decided_by}))
        elif what < 0.8:
            body = {"reason": "Look again.", "requested_by": "Sue", "keep_in_force": self.random.random() < 0.3}
            self._say(lambda: self.wire.post(f"cases/{case_id}/rollback/", body))
        elif what < 0.85:
            body = {"reason": "Gone.", "keep_in_force": self.random.random() < 0.5}
            self._say(lambda: self.wire.post(f"cases/{case_id}/withdraw/", body))
        else:
            self._say(lambda: self.wire.get(f"cases/{case_id}/"))

    def _say(self, ask: object) -> None:
        try:
            answer: Answer = ask()  # type: ignore[operator]
        except (OSError, http.client.HTTPException):
            self.bad.append(Answer(0, {}, {}))
            return
        self.answers[answer.status] += 1
        # A stopped worker may hold the very row that is asked for: then 503 is right, and says when to come again.
        if answer.status >= 500 and not (answer.status == 503 and "retry-after" in answer.headers):
            self.bad.append(answer)
        if answer.status == 202 and "merged" in answer.body:
            self.accepted.append(answer.body["id"])


class Chaos:
    """What befalls the workers and the broker, one thing after the other."""

    def __init__(self, home: House, rabbit: Node, chance: random.Random) -> None:
        self.home, self.rabbit, self.random = home, rabbit, chance
        self.workers = [home.worker(), home.worker()]
        self.paused: list[tuple[float, Process]] = []
        self.befell: Counter[str] = Counter()

    def strike(self) -> None:
        what = self.random.choices(
            [self.kill, self.pause, self.forbid, self.restart_broker], weights=[4, 4, 1, 1 if SECONDS > 60 else 0.3]
        )[0]
        self.befell[what.__name__] += 1
        what()
        self.wake()

    def kill(self) -> None:
        victim = self.random.randrange(len(self.workers))
        self.workers[victim].kill()
        self.paused = [(at, process) for at, process in self.paused if process is not self.workers[victim]]
        self.workers[victim] = self.home.worker(wait=False)

    def pause(self) -> None:
        """SIGSTOP, and a stand-in; the stopped one goes on later, whatever has become of its work."""
        victim = self.random.randrange(len(self.workers))
        worker = self.workers[victim]
        if not worker.is_alive():
            return
        worker.signal(signal.SIGSTOP)
        self.paused.append((time.monotonic() + self.random.uniform(1, LONGEST_PAUSE), worker))
        self.workers[victim] = self.home.worker(wait=False)

    def wake(self, *, all: bool = False) -> None:
        late, now = [], time.monotonic()
        for at, worker in self.paused:
            if at > now and not all:
                late.append((at, worker))
            elif worker.is_alive():
                worker.signal(signal.SIGCONT)
                self.workers.append(worker)
        self.paused = late
        while len(self.workers) > 3:
            self.workers.pop(0).kill()

    def forbid(self) -> None:
        self.rabbit.permit("^$")
        time.sleep(3)  # as long as an operator needs to see it
        self.rabbit.permit()

    def restart_broker(self) -> None:
        self.rabbit.kill() if self.random.random() < 0.5 else self.rabbit.stop()
        self.rabbit.start()


@pytest.mark.timeout(SECONDS + 400)
def test_mixed_traffic_under_random_faults_loses_nothing_and_does_nothing_twice(
    client_app: App, platform: Obedient
) -> None:
    chance = random.Random(SEED)
    with node("soak") as rabbit, house(url_of_the_test_database(), rabbit.url) as home:
        web = home.web()
        chaos, ending = Chaos(home, rabbit, chance), threading.Event()
        traffic = [Traffic(Wire(web.port, client_app.api_key), SEED * 100 + n, ending) for n in range(ACTORS)]
        for one in traffic:
            one.start()
        until_then = time.monotonic() + SECONDS
        while time.monotonic() < until_then:
            ending.wait(chance.uniform(1, 6))
            chaos.strike()
            _beat()
        ending.set()
        for one in traffic:
            one.join(30)
        chaos.wake(all=True)
        chaos.workers.append(home.worker())
        until(_unfinished, lambda left: left == {}, seconds=240)

        accepted = [case_id for one in traffic for case_id in one.accepted]
        answers = sum((one.answers for one in traffic), Counter[int]())
        sys.stderr.write(
            f"{len(accepted)} cases, answers {dict(answers)}, {dict(chaos.befell)}, {len(platform.received)} webhooks\n"
        )
        assert [bad for one in traffic for bad in one.bad] == []
        assert Case.objects.filter(pk__in=accepted).count() == len(accepted) == Case.objects.count()
        assert set(Case.objects.values_list("status", flat=True)) <= {Status.PENDING_REVIEW, Status.COMPLETED}
        _nothing_twice(platform)
        _both_sides_agree(client_app, platform)
        while audit.seal():
            pass
        assert audit.verify() == (Event.objects.count(), None)


def _beat() -> None:
    for name in ("probe", "reopen", "settle", "feed", "seal"):
        chores.JOBS[name]()
    connection.close()


def _unfinished() -> dict[str, int]:
    """What is still to be done, by kind; empty when all is quiet."""
    _beat()
    left = {
        "runs": Run.objects.filter(done_at=None, cancelled_at=None).count(),
        "orders": Order.objects.filter(status__in=IN_LINE).count(),
        "cases": Case.objects.exclude(status__in=[Status.PENDING_REVIEW, Status.COMPLETED]).count(),
    }
    return {kind: count for kind, count in left.items() if count}


def _nothing_twice(platform: Obedient) -> None:
    """A warning cannot be taken back, so it shows what was done twice: one a decision, whatever was killed."""
    warned = Counter(
        document["data"]["decision_id"]
        for document in dict(orders_told(platform)).values()
        if document["data"]["action"] == "warn_author"
    )
    assert {decision for decision, count in warned.items() if count > 1} == set()
    ruled = Counter(Decision.objects.filter(withdrawn_at=None).values_list("case_id", "round"))
    assert set(ruled.values()) <= {1}


def _both_sides_agree(client: App, platform: Obedient) -> None:
    """`effects/` says of every subject what the platform believes."""
    subjects = [("author_id", author) for author in AUTHORS]
    subjects += [("content_id", one) for one in Case.objects.values_list("content_id", flat=True)]
    for name, value in subjects:
        ours = {row["action"] for row in client.get("effects/", **{name: value}).json()["results"]}
        theirs = {action for about, action in platform.in_force if about == value and ACTIONS[action].reversed_by}
        assert ours == theirs, (name, value)
