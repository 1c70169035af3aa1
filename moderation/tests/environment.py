"""The ground all tests stand on (a pytest plugin): a real PostgreSQL, and a clean slate between tests.

Imported before Django's settings are (moderation.tests.settings): it chooses the database, which is `DATABASE_URL`, or
an embedded server in a directory of its own that ends with the test run.

pytest-xdist's workers share the server of the process that started them, and have a database and a directory each.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import serve

os.environ.setdefault("SECRET_KEY", "only-for-the-tests-0123456789-0123456789-0123456789")
for _name in ("GROQ_API_KEY", "LANGSMITH_API_KEY", "LANGSMITH_TRACING", "BROKER_URL", "DEBUG"):
    os.environ.pop(_name, None)

XDIST_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

_stack = ExitStack()
RUN_HOME = Path(os.environ["GUARDIAN_HOME"] if XDIST_WORKER else tempfile.mkdtemp(prefix="guardian-tests-"))
"""The directory of this run; removed at its end."""
_home = RUN_HOME / XDIST_WORKER
os.environ["GUARDIAN_HOME"] = str(_home)
if not os.environ.get("DATABASE_URL"):
    _stack.enter_context(serve(DataDir(_home), own=True))
    os.environ["DATABASE_URL"] = DataDir(_home).database_url()
    # This machine may lose its power without harm to a test; emptying the tables is ten times faster so.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as _connection:
        _connection.execute("ALTER SYSTEM SET fsync = off")
        _connection.execute("SELECT pg_reload_conf()")


def _end() -> None:
    _stack.close()
    for cluster in (RUN_HOME / "pg18", RUN_HOME / "template" / "pg18"):
        if cluster.resolve().parent == SHARED:  # as root the cluster lives outside its data directory
            shutil.rmtree(cluster.resolve(), ignore_errors=True)
    shutil.rmtree(RUN_HOME, ignore_errors=True)


if not XDIST_WORKER:
    atexit.register(_end)


KEPT = {"moderation_policy", "moderation_policyversion", "django_migrations", "django_content_type", "auth_permission"}


@pytest.fixture(scope="session")
def _test_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The migrated test database, once per run. pytest-django's own set-up wraps each test in a transaction or flushes
    after it: the one hides every race, the other is refused by the append-only history."""
    from django.db import connection
    from django.test.utils import setup_databases

    if XDIST_WORKER:
        connection.settings_dict["TEST"]["NAME"] = f"test_{connection.settings_dict['NAME']}_{XDIST_WORKER}"
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
    yield
    with django_db_blocker.unblock():
        connection.close_pool()
        # FORCE: the agent's pool and the relay's listener live as long as the process does.
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{connection.settings_dict["NAME"]}" WITH (FORCE)')


@pytest.fixture
def database(_test_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Committed data, seen by every thread and process; everything but the policies is emptied afterwards."""
    from django.db import connection

    with django_db_blocker.unblock():
        yield
        empty_database()
        connection.close()


@contextmanager
def standing_on(**place: Any) -> Iterator[None]:
    """Django's own connections, and the agent's, lead to another database (NAME, HOST …) while the block runs."""
    from django.db import connection

    before = dict(connection.settings_dict)
    _hang_up()
    connection.settings_dict.update(place)
    try:
        yield
    finally:
        _hang_up()
        connection.settings_dict.update(before)


def _hang_up() -> None:
    from django.db import connection

    from moderation.services.agent import runs

    connection.close()
    connection.close_pool()
    if runs._agent.cache_info().currsize:
        runs.agent().close()
        runs._agent.cache_clear()


def empty_database() -> None:
    """Empty all tables but the first policies, the append-only ones included, and leave a history that has not begun.
    Needs a superuser of the test server."""
    from django.db import connection, transaction

    from moderation.models import AuditHead
    from moderation.services.record.chain import found

    with transaction.atomic(), connection.cursor() as cursor:
        # DELETE, not TRUNCATE: on thirty nearly empty tables it is many times faster. As a replica no trigger fires.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "SELECT format('DELETE FROM %%I.%%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('public', 'agent') AND tablename <> ALL(%s)",
            [[*KEPT, "checkpoint_migrations"]],
        )
        cursor.execute("; ".join(row[0] for row in cursor.fetchall()))
        found(AuditHead(), None)
