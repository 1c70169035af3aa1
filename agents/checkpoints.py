"""Where paused threads are kept: LangGraph's PostgresSaver, on a pool of its own or on the connection it is given.

`_cursor` is private to langgraph-checkpoint-postgres: the version is pinned, and agents/tests/test_checkpoints.py fails
should its meaning change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

SET_UPS = {"0003_checkpoints": 10}
"""Each Django migration that ran `set_up`, and how many migrations of its own the library had then. A raised pin that
brings more of them needs another such migration: agents/tests/test_checkpoints.py fails until it is here."""

Fence = Callable[[psycopg.Cursor[Any]], None]
"""Called first in every writing transaction; raises LeaseLost when the leg is no longer ours."""


def open_pool(database_url: str, *, schema: str, size: int) -> ConnectionPool[psycopg.Connection[DictRow]]:
    """The pool of the analysing legs: opened on first use, at most `size` connections, each checked when taken."""
    return ConnectionPool(
        database_url,
        connection_class=psycopg.Connection[DictRow],
        min_size=0,
        max_size=size,
        timeout=10,
        max_idle=60,
        open=True,
        check=ConnectionPool.check_connection,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "prepare_threshold": None,  # PgBouncer in transaction mode knows no prepared statements
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": f"-c search_path={schema} -c lock_timeout=5s -c statement_timeout=30s",
        },
    )


class FencedSaver(PostgresSaver):
    """A saver on the pool whose every statement runs in a transaction that first passes the fence.

    The fence locks the leg's row, so a worker that lost its lease saves nothing, and one that still holds it cannot
    lose it before its checkpoint is committed.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection[DictRow]], fence: Fence) -> None:
        super().__init__(pool)
        self._pool = pool
        self._fence = fence

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[psycopg.Cursor[DictRow]]:
        with (
            self._pool.connection() as connection,
            connection.transaction(),
            connection.cursor(binary=True, row_factory=dict_row) as cursor,
        ):
            self._fence(cursor)
            yield cursor


class BorrowedSaver(PostgresSaver):
    """A saver on the caller's connection and in the caller's transaction: checkpoint, orders and state commit together
    or not at all."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection)
        self._connection = connection

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[psycopg.Cursor[DictRow]]:
        # Django's connections make client-side cursors, which refuse binary results: a plain cursor is needed here.
        with self.lock, psycopg.Cursor(self._connection, row_factory=dict_row) as cursor:
            cursor.format = psycopg.pq.Format.BINARY
            yield cursor


def set_up(connection: psycopg.Connection[Any], schema: str) -> None:
    """Make or migrate the checkpoint tables in `schema`. For the migration role only, outside a transaction: some of
    the library's indexes are built concurrently, and two set-ups at once fail."""
    with psycopg.Cursor(connection) as cursor:
        name = psycopg.sql.Identifier(schema)
        cursor.execute(psycopg.sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        cursor.execute("SHOW search_path")
        row = cursor.fetchone()
        before: str = row[0] if row else "public"
        cursor.execute(psycopg.sql.SQL("SET search_path TO {}").format(name))
        try:
            BorrowedSaver(connection).setup()
        finally:
            cursor.execute("SELECT set_config('search_path', %s, false)", [before])
