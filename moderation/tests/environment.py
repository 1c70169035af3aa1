"""The ground all tests stand on (a pytest plugin, see pytest.ini): a real PostgreSQL, and a clean slate between tests.

Imported before Django's settings are: it chooses the database. `DATABASE_URL`, or an embedded server in a directory
of its own that ends with the test run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from moderation.datadir import DataDir
from moderation.embedded_postgres import serve

os.environ.setdefault("SECRET_KEY", "only-for-the-tests-0123456789-0123456789-0123456789")
for _name in ("GROQ_API_KEY", "LANGSMITH_API_KEY", "LANGSMITH_TRACING", "BROKER_URL", "DEBUG"):
    os.environ.pop(_name, None)

_stack = ExitStack()
_home = Path(tempfile.mkdtemp(prefix="guardian-tests-"))
os.environ["GUARDIAN_HOME"] = str(_home)
if not os.environ.get("DATABASE_URL"):
    _stack.enter_context(serve(DataDir(_home), own=True))
    os.environ["DATABASE_URL"] = DataDir(_home).database_url()


def _end() -> None:
    _stack.close()
    cluster = (_home / "pg18").resolve()
    shutil.rmtree(_home, ignore_errors=True)
    if cluster.parent == Path("/var/lib/guardian"):  # as root the cluster lives outside its data directory
        shutil.rmtree(cluster, ignore_errors=True)


atexit.register(_end)

KEPT = {"moderation_policy", "moderation_policyversion", "django_migrations", "django_content_type", "auth_permission"}
APPEND_ONLY = ("moderation_event", "moderation_seal")


@pytest.fixture(scope="session")
def _test_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The migrated test database, once per run. pytest-django's own set-up wraps each test in a transaction or flushes
    after it: the one hides every race, the other is refused by the append-only history."""
    from django.db import connection
    from django.test.utils import setup_databases

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


def empty_database() -> None:
    """Truncate all tables but the first policies, the append-only ones included."""
    from django.db import connection, transaction

    tables = [
        f"public.{name}" for name in connection.introspection.table_names() if name not in KEPT and "checkpoint" not in name
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        cursor.execute("TRUNCATE agent.checkpoints, agent.checkpoint_blobs, agent.checkpoint_writes")
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
