"""The outbox's relay: claims what is due, commits, and only then publishes; woken by NOTIFY, polls as a net.

One runs as a thread of every worker; `manage.py relay` runs one alone. A database or a broker that goes away costs
time and nothing else: what was not published is offered again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Sum
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerAway
from psycopg_pool import PoolTimeout

from moderation.faultpoints import reach
from moderation.models import Worker
from moderation.services.post import outbox
from moderation.services.post.outbox import Offer
from moderation.services.post.wakeup import CHANNEL, connection_parameters
from queueing.tasks import TASK_OF

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 5
LONGEST_PAUSE_SECONDS = 5.0

_log = logging.getLogger(__name__)

Publish = Callable[[Offer], None]
"""Hands one offer on. Raises BrokerAway when it cannot."""


def publish_to_broker(offer: Offer) -> None:
    """Publish the row's id with a confirm. Raises BrokerAway; a message that was not confirmed counts as not sent."""
    TASK_OF[offer.kind].apply_async((str(offer.id),), queue=f"guardian.{offer.lane}")


class Relay(threading.Thread):
    """`threads`: how many tasks this process can work on at once; 0 for a relay that only relays."""

    def __init__(self, publish: Publish, *, threads: int, poll: float = POLL_SECONDS) -> None:
        super().__init__(name="relay", daemon=True)
        self._publish = publish
        self._threads = threads
        self._poll = poll
        self._stopping = threading.Event()
        self._listening: psycopg.Connection | None = None
        self._beat_at = 0.0
        self._cap = max(1, threads * 3 // 4)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def stop(self, timeout: float = 5.0) -> None:
        """End after the present round."""
        self._stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)

    def run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self._wait_for_news()
                if self._stopping.is_set():
                    break
                self._heartbeat()
                pause = 0.0 if self._round() else min(LONGEST_PAUSE_SECONDS, pause * 2 or 0.5)
            except (DatabaseError, InterfaceError, PoolTimeout, psycopg.Error) as error:
                _log.warning("the relay cannot reach the database and tries again: %s", error)
                self._hang_up()
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2 or 0.5)
        self._say_goodbye()

    def _round(self) -> bool:
        """Claim and hand on what is due. False when the broker could not take all of it."""
        offers = outbox.claim(starts_at_once=self._cap)
        if offers:
            reach("relay.claimed")
        for number, offer in enumerate(offers):
            try:
                self._publish(offer)
                reach("relay.published")
            except BrokerAway as error:
                _log.warning("the broker takes no messages; %d rows wait: %s", len(offers) - number, error)
                outbox.unoffer(offers[number:])
                return False
        return True

    def _wait_for_news(self) -> None:
        if self._listening is None or self._listening.closed:
            self._listening = psycopg.connect(**connection_parameters(), autocommit=True)  # type: ignore[arg-type]
            self._listening.execute(f"LISTEN {CHANNEL}")
        for _ in self._listening.notifies(timeout=self._poll, stop_after=1):
            pass

    def _heartbeat(self) -> None:
        """Say that this process lives, and learn how many threads there are in all: three quarters may analyse."""
        if time.monotonic() - self._beat_at < HEARTBEAT_SECONDS:
            return
        self._beat_at = time.monotonic()
        if self._threads:
            Worker.objects.bulk_create(
                [Worker(name=self._worker, threads=self._threads, seen_at=Now())],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["threads", "seen_at"],
            )
        alive = Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=30))
        total = alive.aggregate(n=Sum("threads"))["n"] or self._threads or 8
        self._cap = max(1, total * 3 // 4)

    def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.close()
        self._listening = None
        connection.close()

    def _say_goodbye(self) -> None:
        try:
            if self._threads:
                Worker.objects.filter(name=self._worker).delete()
        except (DatabaseError, InterfaceError, PoolTimeout) as error:
            _log.debug("the worker's row stays and ages: %s", error)
        self._hang_up()
