"""A PostgreSQL of a test's own, which it may kill (a pytest plugin of the modules that need it).

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.clusters import give_cluster
from moderation.tests.environment import empty_database, standing_on


class OwnPostgres:
    """A PostgreSQL of its own, for the tests that kill it: the shared one carries the test process itself."""

    def __init__(self, home: Path) -> None:
        give_cluster(DataDir(home))
        self._server = EmbeddedPostgres(DataDir(home))
        self.url = DataDir(home).database_url()

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        """kill -9 of the server and all its processes; the data stays."""
        server = psutil.Process(int((self._server.cluster / "postmaster.pid").read_text().split()[0]))
        everybody = [server, *server.children(recursive=True)]
        for process in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everybody, timeout=10)
        connection.close()

    def restart_at_once(self) -> None:
        """Stop as `pg_ctl -m immediate` does, and start again: every connection is cut, nothing is flushed."""
        server = psutil.Process(int((self._server.cluster / "postmaster.pid").read_text().split()[0]))
        server.send_signal(signal.SIGQUIT)
        psutil.wait_procs([server], timeout=10)
        self.start()

    def remove(self) -> None:
        self._server.stop()
        cluster = self._server.cluster.resolve()
        if cluster.parent == SHARED:  # as root the cluster lives outside its data directory
            shutil.rmtree(cluster, ignore_errors=True)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Django's own connections lead here while the block runs, and to an empty database."""
        here = {"NAME": "guardian", "USER": "guardian", "HOST": str(self._server.socket.parent), "PORT": 5432}
        with standing_on(**here):
            self.start()
            call_command("migrate", verbosity=0)
            empty_database()
            yield


@pytest.fixture(scope="session")
def own_postgres_server() -> Iterator[OwnPostgres]:
    with tempfile.TemporaryDirectory(prefix="guardian-own-") as home:
        made = OwnPostgres(Path(home))
        yield made
        made.remove()


@pytest.fixture
def own_postgres(
    own_postgres_server: OwnPostgres, django_db_blocker: DjangoDbBlocker, settings: Settings
) -> Iterator[OwnPostgres]:
    """A PostgreSQL that may be killed; a test stands on it inside `in_use()`."""
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    with django_db_blocker.unblock():
        yield own_postgres_server
