"""The savers, and the private ground they stand on: what they rely on in langgraph-checkpoint-postgres."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row

from agents import checkpoints
from agents.checkpoints import BorrowedSaver, FencedSaver
from agents.contract import LeaseLost
from agents.tests.floor import connect, database_url, floor

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
MIGRATIONS = Path(__file__).resolve().parents[2] / "moderation/migrations"


@pytest.fixture(scope="module")
def schema() -> Iterator[str]:
    with floor() as name:
        yield name


@pytest.fixture
def pool(schema: str) -> Iterator[Any]:
    with checkpoints.open_pool(database_url(), schema=schema, size=2) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty(schema: str) -> Iterator[None]:
    yield
    with connect(schema) as connection:
        connection.execute("TRUNCATE checkpoints, checkpoint_blobs, checkpoint_writes")


def save(saver: PostgresSaver) -> Any:
    config = saver.put(CONFIG, empty_checkpoint(), {"source": "input", "step": 0, "parents": {}}, {})
    saver.put_writes(config, [("status", "review")], "task-1")
    return config


def everything(saver: PostgresSaver) -> None:
    """Each method by which LangGraph touches the database."""
    config = save(saver)
    assert saver.get_tuple(config) is not None
    assert len(list(saver.list(CONFIG))) == 1
    saver.delete_thread("t1")


# --- the pin -----------------------------------------------------------------------------------------------------


def test_a_raised_pin_comes_with_a_migration_that_runs_the_set_up_again() -> None:
    newest, known = list(checkpoints.SET_UPS.items())[-1]
    assert len(PostgresSaver.MIGRATIONS) == known, (
        f"the installed langgraph-checkpoint-postgres has {len(PostgresSaver.MIGRATIONS)} migrations of its own, our "
        f"newest set-up ({newest}) ran {known}. Add a Django migration that calls agents.checkpoints.set_up again "
        "(like moderation/migrations/0003_checkpoints.py, not atomic) and name it with the new number in "
        "agents.checkpoints.SET_UPS."
    )


def test_every_set_up_that_is_counted_is_a_migration_and_every_such_migration_is_counted() -> None:
    calling = [file.stem for file in sorted(MIGRATIONS.glob("0*.py")) if "checkpoints.set_up(" in file.read_text()]
    assert calling == list(checkpoints.SET_UPS)
    assert list(checkpoints.SET_UPS.values()) == sorted(checkpoints.SET_UPS.values())


def test_the_set_up_leaves_what_the_library_says_and_may_run_again(schema: str) -> None:
    with psycopg.connect(database_url(), autocommit=True) as connection:
        before = connection.execute("SHOW search_path").fetchone()
        checkpoints.set_up(connection, schema)
        assert connection.execute("SHOW search_path").fetchone() == before
        done = connection.execute(f"SELECT max(v) FROM {schema}.checkpoint_migrations").fetchone()
    assert done == (len(PostgresSaver.MIGRATIONS) - 1,)


# --- what `_cursor` has to go on meaning -------------------------------------------------------------------------


def test_the_library_still_takes_every_cursor_from_the_one_method_we_replace() -> None:
    source = inspect.getsource(PostgresSaver)
    own = inspect.getsource(PostgresSaver._cursor)
    assert list(inspect.signature(PostgresSaver._cursor).parameters) == ["self", "pipeline"]
    rest = source.replace(own, "")
    taken = re.findall(r"[\w.]*(?:\bcursor\(|_cursor\(|\.execute\(|get_connection\()[^)]*", rest)
    assert any("self._cursor(" in one for one in taken)
    assert [one for one in taken if ".cursor(" in one or "get_connection(" in one or "conn.execute(" in one] == []


def test_every_call_passes_through_our_cursor(schema: str) -> None:
    taken: list[bool] = []

    class Counted(BorrowedSaver):
        @contextmanager
        def _cursor(self, *, pipeline: bool = False) -> Iterator[psycopg.Cursor[Any]]:
            taken.append(pipeline)
            with super()._cursor(pipeline=pipeline) as cursor:
                yield cursor

    with connect(schema) as connection:
        saver = Counted(connection)
        for call in (
            lambda: save(saver),
            lambda: saver.get_tuple(CONFIG),
            lambda: list(saver.list(CONFIG)),
            lambda: saver.delete_thread("t1"),
        ):
            before = len(taken)
            call()
            assert len(taken) > before


@pytest.mark.parametrize("kind", ["fenced", "borrowed"])
def test_a_cursor_of_ours_gives_rows_as_mappings_and_values_in_binary(kind: str, schema: str, pool: Any) -> None:
    with connect(schema, cursor_factory=psycopg.ClientCursor) as connection:  # as Django's connections make them
        saver = FencedSaver(pool, lambda cursor: None) if kind == "fenced" else BorrowedSaver(connection)
        with saver._cursor(pipeline=True) as cursor:
            assert cursor.row_factory is dict_row
            assert cursor.execute("SELECT 1 AS one", binary=True).fetchone() == {"one": 1}
            assert cursor.format == psycopg.pq.Format.BINARY
        everything(saver)


# --- the fence ---------------------------------------------------------------------------------------------------


def test_the_fence_is_passed_first_in_every_writing_transaction(schema: str, pool: Any) -> None:
    """In the same transaction: what it locks stays locked until the checkpoint is committed."""
    fenced: list[int] = []

    def fence(cursor: psycopg.Cursor[Any]) -> None:
        row: Any = cursor.execute("SELECT txid_current() AS id").fetchone()
        fenced.append(row["id"])

    saver = FencedSaver(pool, fence)
    save(saver)
    with connect(schema) as connection:
        tables = ("checkpoints", "checkpoint_writes")
        wrote = [connection.execute(f"SELECT xmin::text::bigint FROM {name}").fetchall() for name in tables]
    assert {row[0] for rows in wrote for row in rows} <= {id % 2**32 for id in fenced}
    assert all(wrote)


def test_a_fence_that_refuses_writes_nothing(schema: str, pool: Any) -> None:
    def refuse(cursor: psycopg.Cursor[Any]) -> None:
        raise LeaseLost

    saver = FencedSaver(pool, refuse)
    with pytest.raises(LeaseLost):
        save(saver)
    with connect(schema) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


def test_an_error_after_the_fence_undoes_the_whole_write(schema: str, pool: Any) -> None:
    saver = FencedSaver(pool, lambda cursor: None)

    def write() -> None:
        with saver._cursor() as cursor:
            cursor.execute("INSERT INTO checkpoint_blobs VALUES ('t1', '', 'c', 'v', 'null', NULL)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    with connect(schema) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoint_blobs").fetchone() == (0,)


# --- the borrowed connection -------------------------------------------------------------------------------------


def test_a_borrowed_saver_writes_in_the_callers_transaction_and_goes_back_with_it(schema: str) -> None:
    with connect(schema) as connection, connect(schema) as other:
        saver = BorrowedSaver(connection)
        with connection.transaction(force_rollback=True):
            config = save(saver)
            assert saver.get_tuple(config) is not None
            assert BorrowedSaver(other).get_tuple(config) is None  # not committed by the saver
        assert saver.get_tuple(config) is None
        assert connection.info.transaction_status is not psycopg.pq.TransactionStatus.INERROR


def test_a_borrowed_saver_leaves_the_connection_as_it_was(schema: str) -> None:
    with connect(schema, cursor_factory=psycopg.ClientCursor) as connection:
        save(BorrowedSaver(connection))
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert (connection.autocommit, connection.cursor_factory) == (False, psycopg.ClientCursor)
