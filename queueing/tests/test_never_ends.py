"""What must never end outlives every refusal of the broker's, and takes its process down when it ends all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from kombu import Connection

from moderation.models import Event, Seal
from moderation.standing import ENDED_ALL_THE_SAME
from moderation.tests.people import App, until
from queueing.tests.deliveries import wait_for_all
from queueing.tests.processes import ROOT, House, Process
from queueing.tests.rabbit import Node

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")
SECONDS = 20  # on a busy machine; the pause between two tries is five at most
LANES = ("guardian.high", "guardian.normal", "guardian.low")


@pytest.fixture
def working(client_app: App, broker_house: House) -> Iterator[tuple[Process, Process]]:
    """A worker and a beat through which a case has already gone."""
    worker, beat = broker_house.worker(), broker_house.beat()
    wait_for_all([client_app.start()], "pending_review")
    until(_unsealed, lambda count: count == 0)
    yield worker, beat
    assert worker.is_alive(), worker.last_words()
    assert beat.is_alive(), beat.last_words()
    for process in (worker, beat):
        assert "Traceback" not in process.log.read_text(errors="replace")


def _unsealed() -> int:
    return Event.objects.count() - Seal.objects.count()


def _flows(client_app: App) -> None:
    """A new case is analysed (the worker's relay), and its history sealed (beat)."""
    wait_for_all([client_app.start()], "pending_review", seconds=SECONDS)
    until(_unsealed, lambda count: count == 0, SECONDS)


def test_permissions_taken_for_three_seconds_cost_three_seconds(
    client_app: App, working: tuple[Process, Process], broker: Node
) -> None:
    worker, _ = working
    before = len(worker.lines())
    broker.permit("^$")
    try:
        # What an open channel has done once it may do on; a lane it has not used yet it may not declare.
        held = client_app.start(priority="high")
        until(lambda: "\n".join(worker.lines(before)), lambda said: "ACCESS_REFUSED" in said, SECONDS)
        assert client_app.case(held)["status"] == "pending_analysis"
    finally:
        broker.permit()
    wait_for_all([held], "pending_review", seconds=SECONDS)
    _flows(client_app)
    until(lambda: "\n".join(worker.lines(before)), lambda said: "works again" in said, SECONDS)
    assert len(worker.lines(before)) == 2, worker.last_words()


def test_what_connects_while_it_has_no_permission_waits_for_it(
    client_app: App, working: tuple[Process, Process], broker: Node
) -> None:
    before = [len(process.lines()) for process in working]
    broker.permit("^$")
    try:
        broker.control("close_all_connections", "to be tried")
        held = client_app.start()
        for process, count in zip(working, before, strict=True):
            until(lambda: "\n".join(process.lines(count)), lambda said: "ACCESS_REFUSED" in said, SECONDS)  # noqa: B023
    finally:
        broker.permit()
    wait_for_all([held], "pending_review", seconds=SECONDS)
    _flows(client_app)
    for process, count in zip(working, before, strict=True):
        until(lambda: "\n".join(process.lines(count)), lambda said: "works again" in said, SECONDS)  # noqa: B023
        assert len(process.lines(count)) <= 10, process.last_words()


def test_a_deleted_exchange_is_declared_anew(client_app: App, working: tuple[Process, Process], broker: Node) -> None:
    with Connection(broker.url) as there:
        there.default_channel.exchange_delete("guardian")
    _flows(client_app)


@pytest.mark.parametrize("queues", [LANES, ("guardian.normal",)], ids=["all", "one"])
def test_deleted_queues_are_declared_anew(
    queues: tuple[str, ...], client_app: App, working: tuple[Process, Process], broker: Node
) -> None:
    with Connection(broker.url) as there:
        for queue in queues:
            there.default_channel.queue_delete(queue)
    _flows(client_app)


def test_a_message_that_no_queue_takes_is_not_counted_as_sent(
    client_app: App, broker_house: House, broker: Node
) -> None:
    """With no worker there to declare it, a relay on its own finds the queue gone under an open connection."""
    broker_house.relay()
    first = client_app.start()
    until(lambda: _waiting(broker), lambda count: count == 1)
    with Connection(broker.url) as there:
        there.default_channel.queue_delete("guardian.normal")
    second = client_app.start()
    until(lambda: _waiting(broker), lambda count: count == 1, SECONDS)
    broker_house.worker()
    wait_for_all([second], "pending_review", seconds=SECONDS)
    wait_for_all([first], "pending_review", seconds=60)  # its message went with the queue: offered again after 30 s


def test_a_restarted_broker_is_found_again(client_app: App, working: tuple[Process, Process], broker: Node) -> None:
    broker.stop()
    held = client_app.start()
    broker.start()
    wait_for_all([held], "pending_review", seconds=45)
    _flows(client_app)


ENDING = {
    "the relay of a worker": (
        "from queueing.relay import Relay\n"
        "from moderation.standing import Standing\n"
        "def mistaken(*_, **__): raise TypeError('a mistake in the relay itself')\n"
        "Relay._round = Standing.failed = mistaken\n"
        "from celery.__main__ import main\n"
        "sys.argv = ['celery', '-A', 'queueing', 'worker', '--without-mingle']\n"
        "sys.exit(main())\n"
    ),
    "the relay of manage.py relay": (
        "from queueing.relay import Relay\n"
        "def ended(*_, **__): raise SystemExit('a library thought it was in the main thread')\n"
        "Relay._round = ended\n"
        "from django.core.management import call_command\n"
        "call_command('relay')\n"
    ),
    "the schedule of the embedded ending": (
        "from queueing.embedded import Embedded\n"
        "def ended(*_, **__): raise SystemExit('a library thought it was in the main thread')\n"
        "Embedded._keep_schedule = ended\n"
        "Embedded().start()\n"
        "threading.Event().wait()\n"
    ),
    "the wake-up of a process that writes": (
        "from moderation.services.post import wakeup\n"
        "def ended(*_, **__): raise SystemExit('a library thought it was in the main thread')\n"
        "wakeup._notify = ended\n"
        "wakeup.wake_relay()\n"
        "threading.Event().wait()\n"
    ),
}


@pytest.mark.parametrize("what", ENDING)
def test_a_loop_whose_thread_ends_takes_its_process_down_and_says_why(what: str, broker_house: House) -> None:
    process = broker_house.script("ending", f"import sys, threading\nimport django\ndjango.setup()\n{ENDING[what]}")
    process.popen.wait(60)
    assert process.popen.returncode == ENDED_ALL_THE_SAME, process.last_words()
    assert "this process ends with it" in process.last_words()
    assert "a mistake in the relay itself" in process.last_words() or "main thread" in process.last_words()


def test_a_mistake_in_publishing_is_told_once_with_its_traceback_and_outlived(
    client_app: App, broker_house: House, broker: Node
) -> None:
    mended = broker_house.home / "mended"
    process = broker_house.script(
        "mistaken",
        "import os, sys\n"
        "from queueing.celery import app\n"
        "import django\n"
        "django.setup()\n"
        "from queueing.broker import Broker\n"
        "send = Broker.send\n"
        "def mistaken(self, task, argument, queue, **options):\n"
        f"    return send(self, task if os.path.exists({str(mended)!r}) else None, argument, queue, **options)\n"
        "Broker.send = mistaken\n"
        "from django.core.management import call_command\n"
        "call_command('relay')\n",
    )
    held = client_app.start()
    until(process.last_words, lambda said: "AttributeError" in said, SECONDS)
    client_app.start()
    mended.touch()
    broker_house.worker()
    wait_for_all([held], "pending_review", seconds=SECONDS)
    assert process.last_words().count("Traceback") == 1
    assert process.is_alive()


def test_beat_without_a_broker_says_so_in_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "queueing", "beat"],
        env={"PATH": os.environ["PATH"], "SECRET_KEY": settings.SECRET_KEY, "DATABASE_URL": "postgresql://nobody@x/x"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "BROKER_URL is not set: beat needs RabbitMQ." in done.stderr
    assert "Traceback" not in done.stderr


def _waiting(broker: Node) -> int | None:
    with Connection(broker.url) as there:
        try:
            return int(there.default_channel.queue_declare("guardian.normal", passive=True).message_count)
        except there.channel_errors:
            return None
