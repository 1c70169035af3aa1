"""Tells the relay that there is something to carry, after the commit that wrote it.

A NOTIFY inside a writing transaction serialises all commits behind one lock (measured: 300/s against 3,153/s with 16
writers). So each process notifies from a thread of its own, on a connection of its own, at most every 20 ms; the relay
polls as the net, so a lost wake-up costs a quarter of a second and nothing else.
"""

from __future__ import annotations

import os
import threading

import psycopg
from django.db import transaction

from moderation.database_away import connection_parameters
from moderation.faultpoints import reach
from moderation.standing import DATABASE, Loop

CHANNEL = "guardian_outbox"
QUIET_SECONDS = 0.02

_wanted = threading.Event()
_thread: Loop | None = None
_thread_pid = 0
_starting = threading.Lock()
_notifier: psycopg.Connection | None = None


def wake_relay() -> None:
    """After the present transaction commits (at once outside one), wake the relay."""
    transaction.on_commit(_ask)


def _ask() -> None:
    global _thread, _thread_pid, _notifier
    reach("accept.after_commit")
    _wanted.set()
    if _thread_pid != os.getpid() or _thread is None or not _thread.is_alive():
        with _starting:
            if _thread_pid != os.getpid() or _thread is None or not _thread.is_alive():
                _notifier = None  # of a process that was forked it is the parent's
                _thread = Loop("waking the relay", _notify, name="wake-relay")
                _thread_pid = os.getpid()
                _thread.start()


def _notify(*, afresh: bool) -> float:
    """One wake-up, as soon as somebody wants one. What fails is not repeated: the relay's own poll finds the row."""
    global _notifier
    _wanted.wait()
    _wanted.clear()
    if afresh and _notifier is not None:
        _notifier.close()
        _notifier = None
    if _notifier is None or _notifier.closed:
        _notifier = psycopg.connect(**connection_parameters(), autocommit=True)
        _notifier.execute("SET synchronous_commit = off")
    _notifier.execute(f"NOTIFY {CHANNEL}")
    DATABASE.works()
    return QUIET_SECONDS
