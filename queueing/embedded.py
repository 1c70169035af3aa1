"""The relay's other ending: no broker, the same task functions in a thread pool of this process.

The outbox rows are the queue, so nothing that waits is lost when the process stops, and a kill is the same as with a
broker: what was in hand is offered again. For a demo or a laptop; the data directory's lock keeps it the only one.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connection

from moderation.services.post import outbox
from moderation.services.post.outbox import Offer
from moderation.standing import Loop
from queueing.celery import SCHEDULE
from queueing.relay import Relay
from queueing.tasks import TASK_OF, periodic

THREADS = 8

_log = logging.getLogger(__name__)


class Embedded:
    """Relay, workers and schedule of one process. `alone`: nobody else works on this database."""

    def __init__(self, threads: int = THREADS, *, alone: bool = True) -> None:
        self._alone = alone
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._relay = Relay(self._work_on, threads=threads)
        self._clock = Loop("the schedule", self._keep_schedule, name="schedule")
        self._due = dict.fromkeys(SCHEDULE, time.monotonic())
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin, first taking back what a killed predecessor had in hand, if it cannot be somebody else's."""
        if self._alone:
            outbox.forget_leases()
        self._relay.start()
        self._clock.start()

    def stop(self) -> None:
        """End within about a second: what runs is finished if it is quick, what waits stays in its row."""
        self._stopping.set()
        self._clock.stopping.set()
        self._relay.stop(timeout=1.0)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work_on(self, offer: Offer) -> bool:
        self._pool.submit(self._safely, TASK_OF[offer.kind].run, str(offer.id))
        return True

    def _safely(self, task: object, argument: str) -> None:
        """As a Celery worker would: an exception is logged, and the row already says when to try again."""
        try:
            close_old_connections()
            task(argument)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - as a Celery worker: one task's error must not end the thread
            if not self._stopping.is_set():
                _log.exception("a task failed; its row is tried again")
        finally:
            connection.close()

    def _keep_schedule(self, *, afresh: bool) -> float:
        for name, seconds in SCHEDULE.items():
            if time.monotonic() >= self._due[name]:
                self._due[name] = time.monotonic() + seconds
                self._safely(periodic.run, name)
        return 0.5
