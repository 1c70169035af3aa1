"""Tells the relay that there is something to carry, after the commit that wrote it.

A NOTIFY inside a writing transaction serialises all commits behind one lock (measured: 300/s against 3,153/s with 16
writers). So each process notifies from a thread of its own, on a connection of its own, at most every 20 ms; the relay
polls as the net, so a lost wake-up costs a quarter of a second and nothing else.
"""

from __future__ import annotations

import logging
import os
import threading
import time

import psycopg
from django.db import connections, transaction

from moderation.faultpoints import reach

CHANNEL = "guardian_outbox"
QUIET_SECONDS = 0.02

_log = logging.getLogger(__name__)
_wanted = threading.Event()
_thread: threading.Thread | None = None
_thread_pid = 0
_starting = threading.Lock()


def wake_relay() -> None:
    """After the present transaction commits (at once outside one), wake the relay."""
    transaction.on_commit(_ask)


def _ask() -> None:
    global _thread, _thread_pid
    reach("accept.after_commit")
    _wanted.set()
    if _thread_pid != os.getpid() or _thread is None or not _thread.is_alive():
        with _starting:
            if _thread_pid != os.getpid() or _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_notify_for_ever, name="wake-relay", daemon=True)
                _thread_pid = os.getpid()
                _thread.start()


def connection_parameters() -> dict[str, object]:
    """What psycopg needs to reach our database from a thread that must not use Django's connections."""
    parameters: dict[str, object] = dict(connections["default"].get_connection_params())
    for django_only in ("cursor_factory", "context", "pool"):
        parameters.pop(django_only, None)
    return parameters


def _notify_for_ever() -> None:
    connection: psycopg.Connection | None = None
    while True:
        _wanted.wait()
        _wanted.clear()
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(**connection_parameters(), autocommit=True)  # type: ignore[arg-type]
                connection.execute("SET synchronous_commit = off")
            connection.execute(f"NOTIFY {CHANNEL}")
        except psycopg.Error as error:
            # Not repeated: the relay's own poll finds the row. The next wake-up connects anew.
            _log.debug("relay not woken: %s", error)
            if connection is not None:
                connection.close()
            connection = None
        time.sleep(QUIET_SECONDS)
