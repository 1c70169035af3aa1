"""Processes are killed at every commit, and everything goes on: nothing lost, nothing done twice, all in its line."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import pytest
from django.db import connection

from moderation.models import Case, Decision, Event, Notice, Order, Run, Seal
from moderation.services.record import audit
from moderation.states import TERMINAL, Direction, Status
from moderation.tests.people import RUDE, App, app, until
from moderation.tests.platform import Platform
from queueing.tests.deliveries import expire_leases, orders_told, repeated, told, wait_for_all
from queueing.tests.own_postgres import OwnPostgres
from queueing.tests.processes import House, Process, empty_lanes, house
from queueing.tests.rabbit import Node
from queueing.tests.wire import Answer, Wire

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes", "queueing.tests.own_postgres")

FAULTS = {
    "analysis.before_assessment:2": "before the assessment is committed",
    "analysis.after_assessment:2": "after the assessment is committed",
    "analysis.in_fence:1": "before the thread is read",
    "analysis.in_fence:9": "while the checkpoint is written",
    "analysis.before_pause:2": "after the checkpoint, before the pause",
    "analysis.in_pause:2": "before the pause is committed",
    "analysis.after_pause:2": "after the pause is committed",
    "resume.orders_planned:2": "with orders planned in the middle of the node",
    "resume.before_commit:2": "before a resume is committed",
    "resume.after_commit:2": "after a resume is committed",
    "rollback.reversals_planned:2": "with reversals planned in the middle of the node",
    "rollback.before_commit:2": "before a rollback is committed",
    "rollback.after_commit:2": "after a rollback is committed",
    "deliver.taken:4": "with an order taken and not sent",
    "deliver.sent:5": "with an order sent and not recorded",
    "deliver.sent:7": "with a reversal sent and not recorded",
    "deliver.in_record:6": "before an answer is committed",
    "deliver.recorded:7": "after an answer is committed",
    "notice.taken:2": "with a notice taken and not sent",
    "notice.sent:3": "with a notice sent and not recorded",
    "notice.recorded:2": "after a notice is recorded",
    "relay.claimed:3": "after rows are claimed, before they are published",
    "relay.published:5": "after a message is published",
}
"""Where a worker dies, and at which arrival. Every place of moderation.faultpoints but intake's is here."""

CHAINS = [
    ("analysis.before_assessment:2", "resume.orders_planned:2", "rollback.reversals_planned:2"),
    ("analysis.after_assessment:2", "resume.before_commit:2", "rollback.before_commit:2"),
    ("analysis.in_fence:1", "resume.after_commit:2", "rollback.after_commit:2"),
    ("analysis.in_fence:9", "deliver.taken:4", "deliver.sent:7"),
    ("analysis.before_pause:2", "deliver.sent:5", "notice.taken:2"),
    ("analysis.in_pause:2", "deliver.in_record:6", "notice.sent:3"),
    ("analysis.after_pause:2", "deliver.recorded:7", "notice.recorded:2"),
    ("relay.claimed:3", "relay.published:5"),
]
"""Several deaths in one run, in the order the cases come by: each worker's successor dies as well, but the last."""

EMBEDDED_FAULTS = [
    "analysis.after_assessment:2",
    "resume.orders_planned:2",
    "rollback.before_commit:2",
    "deliver.sent:5",
    "relay.claimed:3",
]
FIRST_DECISION = ["remove_content", "suspend_author", "warn_author"]
FIRST_LIFE = [*FIRST_DECISION, "unsuspend_author", "restore_content"]


def test_every_place_to_die_is_in_a_chain() -> None:
    assert sorted(fault for chain in CHAINS for fault in chain) == sorted(FAULTS)


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: "; ".join(FAULTS[fault] for fault in chain))
def test_workers_killed_anywhere_lose_nothing_and_do_nothing_twice(
    chain: tuple[str, ...], client_app: App, broker_house: House, platform: Platform
) -> None:
    successors = [partial(broker_house.worker, fault=fault, wait=False) for fault in [*chain[1:], ""]]
    with _replacing(broker_house.worker(fault=chain[0]), successors) as deaths:
        lives = _three_lives(client_app)
    assert len(deaths) == len(chain), "not every worker came to its place to die"
    check_everything(platform, lives)


@pytest.mark.parametrize("fault", EMBEDDED_FAULTS, ids=FAULTS.get)
def test_the_embedded_ending_killed_anywhere_loses_nothing_and_does_nothing_twice(
    fault: str, client_app: App, embedded_house: House, platform: Platform
) -> None:
    with _replacing(embedded_house.embedded(fault=fault), [embedded_house.embedded]) as deaths:
        lives = _three_lives(client_app)
    assert len(deaths) == 1
    check_everything(platform, lives)


@pytest.mark.parametrize(("fault", "replayed"), [("intake.before_commit", False), ("accept.after_commit", True)])
def test_a_web_process_killed_while_accepting_leaves_one_case_or_none_and_the_key_is_free(
    fault: str, replayed: bool, client_app: App, embedded_house: House
) -> None:
    web = embedded_house.web(fault=f"{fault}:once-file={embedded_house.home / 'died'}")
    wire = Wire(web.port, client_app.api_key)
    post = {"key": "the-one", "content_id": "post-1", "author_id": "author-1"}
    with pytest.raises((OSError, http.client.HTTPException)):
        wire.start(**post)
    assert (embedded_house.home / "died").exists()
    assert Case.objects.count() == Run.objects.count() == Event.objects.exclude(case=None).count() == int(replayed)

    answer = _insist(lambda: wire.start(**post))
    assert answer.status == 202
    assert answer.headers.get("idempotency-replayed") == ("true" if replayed else None)
    assert Case.objects.count() == Run.objects.count() == Event.objects.exclude(case=None).count() == 1


def test_without_any_help_everything_goes_on_within_a_minute_of_a_kill(
    client_app: App, broker_house: House, platform: Platform
) -> None:
    """The only test that waits a lease out: an analysis and a delivery are in hand when their worker dies."""
    first = broker_house.worker()
    delivering = client_app.start()
    client_app.wait_for(delivering, "pending_review")
    first.kill()
    second = broker_house.worker(fault="deliver.sent")
    assert client_app.decide(delivering, "remove_content").status_code == 202
    second.wait_until_dead()
    third = broker_house.worker(fault="analysis.before_assessment")
    analysing = client_app.start()
    third.wait_until_dead()
    assert Run.objects.filter(lease_until__isnull=False, done_at=None).count() == 1
    killed = time.monotonic()
    broker_house.worker()
    client_app.wait_for(delivering, "completed", seconds=60)
    client_app.wait_for(analysing, "pending_review", seconds=60)
    assert time.monotonic() - killed < 60
    assert [webhook_id for webhook_id, _ in orders_told(platform)] == repeated(platform) * 2
    check_everything(platform, {delivering: ["remove_content"], analysing: []}, final={analysing: "pending_review"})


@pytest.mark.parametrize("round", ["first", "second", "third, PostgreSQL as well"])
def test_forty_accepted_cases_survive_kill_9_of_everything(
    round: str, own_postgres: OwnPostgres, broker: Node, platform: Platform
) -> None:
    """Once after they were accepted, RabbitMQ included, and once more while they are enforced."""
    servers: list[Node | OwnPostgres] = [broker, *([own_postgres] if "PostgreSQL" in round else [])]
    with own_postgres.in_use(), house(own_postgres.url, broker.url) as home:
        client = app(webhook_url=platform.url)
        platform.secret = client.secret
        web, worker = home.web(), home.worker()
        wire = Wire(web.port, client.api_key)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda number: wire.start(f"{RUDE} {number}", priority="low"), range(40)))
        assert [answer.status for answer in answers] == [202] * 40
        ids = [answer.body["id"] for answer in answers]
        assert Case.objects.filter(pk__in=ids, status=Status.PENDING_ANALYSIS).exists(), "too late: all were analysed"

        _kill_9(web, worker, *servers)
        web, worker = _start_again(home, servers)
        wait_for_all(ids, "pending_review")
        wire = Wire(web.port, client.api_key)
        decide = {"outcome": "violation", "actions": FIRST_DECISION, "reason": "Rude.", "decided_by": "Ana"}
        for case_id in ids:
            assert wire.post(f"cases/{case_id}/resume/", decide).status == 202
        until(lambda: len(told(platform)), lambda count: count >= 20)

        _kill_9(web, worker, *servers[1:])
        assert len(told(platform)) < 120, "too late: all was delivered"
        _start_again(home, servers[1:])
        wait_for_all(ids, "completed")
        assert len(ids) == Case.objects.filter(outcome="violation").count() == 40
        check_everything(platform, dict.fromkeys(ids, FIRST_DECISION))
    empty_lanes(broker)


# --- the oracle --------------------------------------------------------------------------------------------------


def check_everything(platform: Platform, lives: dict[str, list[str]], *, final: dict[str, str] | None = None) -> None:
    """What must hold when all is done, by the database and by the platform's own log.

    `lives`: for each accepted case the actions its platform should have been told, in their order.
    """
    assert {str(pk): status for pk, status in Case.objects.filter(pk__in=lives).values_list("pk", "status")} == {
        case_id: (final or {}).get(case_id, "completed") for case_id in lives
    }
    ruled = Counter(Decision.objects.filter(withdrawn_at=None).values_list("case_id", "round"))
    assert set(ruled.values()) <= {1}
    assert not Order.objects.exclude(status__in=TERMINAL).exists()
    assert not Run.objects.filter(case_id__in=lives, done_at=None, cancelled_at=None).exists()

    orders = {str(order.pk): order for order in Order.objects.all()}
    said: dict[str, dict[str, object]] = {}
    arrivals: dict[str, list[str]] = defaultdict(list)
    for webhook_id, document in orders_told(platform):
        assert said.setdefault(webhook_id, document) == document, "one webhook-id said two things"
        assert document["data"]["order_id"] == webhook_id
        arrivals[document["data"]["case_id"]].append(webhook_id)
    assert set(said) <= set(orders), "the platform was told something that no order stands for"
    assert {pk for pk, order in orders.items() if order.first_tried_at is not None} == set(said)

    twice = Counter(
        (order.decision_id, order.direction, order.action) for order in orders.values() if str(order.pk) in said
    )
    assert [key for key, count in twice.items() if count > 1] == [], "an action went out under two webhook-ids"
    for case_id, actions in lives.items():
        # A try may be repeated, but only before the next one in the line begins: runs of the same id, no id twice.
        in_line = [webhook_id for webhook_id, _ in itertools.groupby(arrivals[case_id])]
        assert [orders[webhook_id].action for webhook_id in in_line] == actions, case_id
        statuses = [orders[webhook_id].status for webhook_id in in_line]
        assert set(statuses) <= {"applied", "reversed", "irreversible"}, statuses
        _check_history(case_id)

    notices = dict(Notice.objects.filter(order=None).values_list("pk", "document"))
    for webhook_id, document in platform.received:
        if webhook_id not in said:
            assert notices[UUID(webhook_id)] == document, "a notice nobody made"
    reopened = Notice.objects.filter(type="case.reopened").count()
    completed = Notice.objects.filter(type="case.completed").count()
    assert completed == Case.objects.filter(status="completed").count() + reopened, "a case announced its end twice"

    while audit.seal():
        pass
    assert audit.verify() == (Event.objects.count(), None)
    assert Seal.objects.count() == Event.objects.count() > 0


def _check_history(case_id: str) -> None:
    """Each state follows from the one before, and each move of a round was made once."""
    moves = [event.data for event in Event.objects.filter(case_id=case_id).order_by("pk") if "to" in event.data]
    assert moves[0]["to"] == Status.PENDING_ANALYSIS
    for before, after in itertools.pairwise(moves):
        assert after["from"] == before["to"], (before, after)
    planned = Order.objects.filter(case_id=case_id, direction=Direction.APPLY).values_list("decision_id", "action")
    assert len(set(planned)) == len(planned)


# --- how ---------------------------------------------------------------------------------------------------------


def _three_lives(client: App) -> dict[str, list[str]]:
    """Three cases through both rounds, whatever happens meanwhile; what their platform should have been told."""
    ids = [client.start(author_id=f"author-{number}") for number in range(3)]
    wait_for_all(ids, "pending_review")
    for case_id in ids:
        assert client.decide(case_id, *FIRST_DECISION).status_code == 202
    wait_for_all(ids, "completed")
    for case_id in ids:
        assert client.roll_back(case_id).status_code == 202
    wait_for_all(ids, "pending_review")
    assert client.decide(ids[0], by="Ben", outcome="no_violation").status_code == 202
    for case_id in ids[1:]:
        assert client.decide(case_id, "label_content", by="Ben").status_code == 202
    wait_for_all(ids, "completed")
    return {case_id: FIRST_LIFE if case_id == ids[0] else [*FIRST_LIFE, "label_content"] for case_id in ids}


@contextmanager
def _replacing(first: Process, successors: Sequence[Callable[[], Process]]) -> Iterator[list[int]]:
    """When a process has died of its fault, the next takes its place. Yields the deaths."""
    deaths: list[int] = []
    ending = threading.Event()

    def replace() -> None:
        working, waiting = first, list(successors)
        while waiting and not ending.wait(0.02):
            if not working.is_alive():
                working.kill()
                deaths.append(working.pid)
                expire_leases()
                working = waiting.pop(0)()
        connection.close()

    watcher = threading.Thread(target=replace)
    watcher.start()
    try:
        yield deaths
    finally:
        ending.set()
        watcher.join()


def _insist(ask: Callable[[], Answer], seconds: float = 20) -> Answer:
    """Ask again while nobody answers, as a client with retries does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _kill_9(*everything: Process | Node | OwnPostgres) -> None:
    for one in everything:
        one.kill()


def _start_again(home: House, servers: list[Node | OwnPostgres]) -> tuple[Process, Process]:
    """Everything at once, as after a power cut: the worker has to wait for its broker by itself."""
    for server in sorted(servers, key=lambda server: isinstance(server, Node)):
        server.start() if isinstance(server, OwnPostgres) else server.start(wait=False)
    expire_leases()
    worker = home.worker(wait=False)
    web = home.web()
    home.wait_for_worker(worker)
    return web, worker
