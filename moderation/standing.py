"""What must never end, and how it tells how it stands: once when it stops working, once when it works again.

A loop outlives every error: it says it, backs off, begins afresh and goes on. If its thread ends all the same it takes
the process with it: a process that is alive and does nothing is seen by nobody, a process that has ended is begun anew
by whoever supervises it, and everything here may be killed at any moment.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Protocol

import psycopg
from django.db import InterfaceError, OperationalError

DATABASE_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""Away, full, or too busy to answer; the pool's PoolTimeout and PoolClosed are psycopg's OperationalError."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
ENDED_ALL_THE_SAME = 70
"""The exit code of a process that lost a loop (EX_SOFTWARE)."""

_log = logging.getLogger(__name__)


class Standing:
    """Whether one thing works. Each cause is said once in an outage, however many threads and tries meet it; what is
    no outage but a mistake of ours is said with its traceback.

    `settled`: what failed within so many seconds does not work again yet. For what many threads use: in an outage the
    luck of one is not its end. Somebody must then go on saying that it works."""

    def __init__(self, what: str, *, settled: float = 0.0) -> None:
        self._what, self._settled = what, settled
        self._lock = threading.Lock()
        self._causes: set[str] = set()
        self._since = self._failed_at = 0.0

    def failed(self, error: BaseException, *, expected: bool = False) -> None:
        """`expected`: the world's doing (a broker that is away), told in one line."""
        away = isinstance(error, DATABASE_AWAY)
        cause = "away" if away else type(error).__name__
        with self._lock:
            self._failed_at = time.monotonic()
            if not self._causes:
                self._since = self._failed_at
            if cause in self._causes:
                return
            self._causes.add(cause)
        said = " ".join(str(error).split())[:300] or "no more is known"
        _log.error(
            "%s: failed and is tried again (%s: %s)",
            self._what,
            type(error).__name__,
            said,
            exc_info=None if away or expected else error,
        )

    @property
    def fails(self) -> bool:
        """Is an outage on that was said, and its end not yet?"""
        return bool(self._causes)

    def works(self) -> None:
        """Cheap while nothing was wrong."""
        if not self._causes:
            return
        with self._lock:
            if not self._causes or time.monotonic() - self._failed_at < self._settled:
                return
            self._causes.clear()
        _log.warning("%s: works again, after %.0f s", self._what, time.monotonic() - self._since)


DATABASE = Standing("the database", settled=2.0)
"""The whole process's: relay, tasks, schedule and wake-ups meet the same outage."""


class Turn(Protocol):
    """One turn of a loop. `afresh`: the one before failed, so begin with new connections. Answers the pause before the
    next turn, in seconds."""

    def __call__(self, *, afresh: bool) -> float: ...


class Loop(threading.Thread):
    """Takes one turn after the other until it is stopped; after one that fails the next, ever later."""

    def __init__(self, what: str, turn: Turn, *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._standing = Standing(what)
        self._turn = turn
        self.stopping = threading.Event()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the present turn."""
        self.stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)

    def run(self) -> None:
        try:
            self._go_round()
        except BaseException:  # noqa: BLE001 - the process ends with it
            _log.critical("%s: ended; this process ends with it", self._standing._what, exc_info=True)
            logging.shutdown()
            os._exit(ENDED_ALL_THE_SAME)

    def _go_round(self) -> None:
        pause, backoff = 0.0, 0.0
        while not self.stopping.wait(pause):
            try:
                pause = self._turn(afresh=backoff > 0)
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on and says it
                (DATABASE if isinstance(error, DATABASE_AWAY) else self._standing).failed(error)
                pause = backoff = min(LONGEST_PAUSE_SECONDS, backoff * 2 or FIRST_PAUSE_SECONDS)
            else:
                backoff = 0.0
                self._standing.works()
