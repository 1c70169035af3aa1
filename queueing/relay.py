"""The outbox's relay: claims what is due, commits, and only then publishes; woken by NOTIFY, polls as a net.

One runs as a thread of every worker; `manage.py relay` runs one alone. A database or a broker that goes away costs
time and nothing else: what was not published is offered again.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from moderation.database_away import connection_parameters
from moderation.faultpoints import reach
from moderation.models import Worker
from moderation.services.post import outbox
from moderation.services.post.outbox import Offer
from moderation.services.post.wakeup import CHANNEL
from moderation.standing import DATABASE, DATABASE_AWAY, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Loop

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 5

Publish = Callable[[Offer], bool]
"""Hands one offer on. False when it cannot now, and has said why."""


class Relay(Loop):
    """`threads`: how many tasks this process can work on at once; 0 for a relay that only relays."""

    def __init__(self, publish: Publish, *, threads: int, poll: float = POLL_SECONDS) -> None:
        super().__init__("the relay", self._relay, name="relay")
        self._publish = publish
        self._threads = threads
        self._poll = poll
        self._pause = 0.0
        self._listening: psycopg.Connection | None = None
        self._beat_at = 0.0
        self._cap = max(1, threads * 3 // 4)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def _go_round(self) -> None:
        super()._go_round()
        self._say_goodbye()

    def _relay(self, *, afresh: bool) -> float:
        if afresh:
            self._hang_up()
        self._wait_for_news()
        if self.stopping.is_set():
            return 0.0
        self._heartbeat()
        whole = self._round()
        DATABASE.works()
        self._pause = 0.0 if whole else min(LONGEST_PAUSE_SECONDS, self._pause * 2 or FIRST_PAUSE_SECONDS)
        return self._pause

    def _round(self) -> bool:
        """Claim and hand on what is due. False when not all of it could be handed on."""
        offers = outbox.claim(starts_at_once=self._cap)
        if offers:
            reach("relay.claimed")
        for number, offer in enumerate(offers):
            if not self._publish(offer):
                outbox.unoffer(offers[number:])
                return False
            reach("relay.published")
        return True

    def _wait_for_news(self) -> None:
        if self._listening is None or self._listening.closed:
            self._listening = psycopg.connect(**connection_parameters(), autocommit=True)
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
                [Worker(name=self._worker, threads=self._threads, seen_at=Now(), clock=timezone.now())],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["threads", "seen_at", "clock"],
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
        except DATABASE_AWAY as error:
            DATABASE.failed(error)  # the worker's row stays, and ages
        self._hang_up()
