"""A database that is away, closed to us, or of another release: every command says so in one sentence, and the mend."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
COUNT = "from moderation.models import Case; print(Case.objects.count())"
COMMANDS = [
    ["create_client", "shop"],
    ["create_user", "walter", "--role", "moderator"],
    ["verify_audit"],
    ["migrate"],
    ["showmigrations"],
    ["relay"],
    ["demo", "--json"],
    ["loaddata", "nothing"],
    ["createsuperuser", "--noinput", "--username", "x"],
    ["shell", "-c", COUNT],
]
NOWHERE = "postgresql://walter:sesame@127.0.0.1:1/shop"


def manage(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="guardian-away-") as home:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "GUARDIAN_HOME": home,
                "DATABASE_URL": url,
                "SECRET_KEY": "0123456789-only-for-tests-abcdefghijklmnop",
                **more,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def assert_says(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip() == sentence


class Server:
    """A real PostgreSQL that asks for passwords, with people who may do less than others."""

    def __init__(self, home: Path) -> None:
        self.postgres = EmbeddedPostgres(DataDir(home))
        self.postgres.start()
        self.host = str(self.postgres.socket.parent)
        with self.admin() as admin:
            for statement in (
                "CREATE ROLE walter LOGIN PASSWORD 'right'",
                "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0",
                "CREATE ROLE closed NOLOGIN",
                "CREATE ROLE standby LOGIN",
                "ALTER ROLE standby SET default_transaction_read_only = on",
                "CREATE ROLE newcomer LOGIN",
                "CREATE TABLE django_migrations (id int, app text, name text, applied timestamptz)",
                "CREATE TABLE moderation_case (id uuid)",
                "GRANT SELECT ON django_migrations TO newcomer, standby",
            ):
                admin.execute(statement)  # type: ignore[arg-type]
            rules = self.postgres.cluster / "pg_hba.conf"
            rules.write_text("local all walter scram-sha-256\n" + rules.read_text())
            admin.execute("SELECT pg_reload_conf()")

    def admin(self) -> psycopg.Connection:
        return psycopg.connect(self.postgres.datadir.database_url(), autocommit=True)

    def url(self, user: str, database: str = "guardian") -> str:
        return f"postgresql://{user}@{quote(self.host, safe='')}:5432/{database}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="guardian-away-") as home:
        made = Server(Path(home))
        yield made
        made.postgres.stop()
        cluster = made.postgres.cluster.resolve()
        if cluster.parent == SHARED:
            shutil.rmtree(cluster, ignore_errors=True)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_says_where_the_database_is_not(command: list[str]) -> None:
    done = manage(NOWHERE, *command)
    assert_says(done, "PostgreSQL at 127.0.0.1:1 cannot be reached: start it, or correct DATABASE_URL.")


def test_the_doctor_says_it_among_its_findings() -> None:
    done = manage(NOWHERE, "doctor")
    assert done.returncode == 1
    sentence = "FAIL database: PostgreSQL at 127.0.0.1:1 cannot be reached — start it, or correct DATABASE_URL"
    assert sentence in done.stdout.splitlines()
    assert "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("user", "database", "says"),
    [
        ("walter:wrong", "guardian", "does not accept the password of walter: correct it in DATABASE_URL."),
        ("walter", "guardian", "does not accept the password of walter: correct it in DATABASE_URL."),
        ("nobody-here", "guardian", "does not let nobody-here in: create that user or let it in (pg_hba.conf)"),
        ("closed", "guardian", "does not let closed in: create that user or let it in (pg_hba.conf)"),
        ("guardian", "elsewhere", "has no database elsewhere: create it there (createdb elsewhere)"),
        ("crowd", "guardian", "has no connection free: end some of its clients, or raise its max_connections."),
        ("newcomer", "guardian", "does not let newcomer do that (permission denied for table moderation_case"),
    ],
)
def test_what_the_server_refuses_is_told_apart(server: Server, user: str, database: str, says: str) -> None:
    done = manage(server.url(user, database), "shell", "-c", COUNT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"PostgreSQL at {server.host} {says}")
    assert done.stderr.count("\n") == 1
    assert "wrong" not in done.stderr


def test_a_standby_and_tables_of_another_release_are_told_apart(server: Server) -> None:
    where = f"PostgreSQL at {server.host}"
    with server.admin() as admin:
        admin.execute("GRANT ALL ON moderation_case TO standby")
    write = "from django.db import connection as c; c.cursor().execute('DELETE FROM moderation_case')"
    said = f"{where} is read-only, a standby perhaps: name the primary in DATABASE_URL."
    assert_says(manage(server.url("standby"), "shell", "-c", write), said)
    old = "from moderation.models import Client; print(Client.objects.count())"
    said = f"{where} has tables of another release: run `manage.py migrate` first."
    assert_says(manage(server.url("guardian"), "shell", "-c", old), said)


def test_an_error_of_ours_still_shows_where_it_is(server: Server) -> None:
    done = manage(
        server.url("guardian"), "shell", "-c", "from django.db import connection as c; c.cursor().execute('X')"
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_server_that_shuts_down_and_one_that_breaks_off_in_the_midst(server: Server) -> None:
    number = int((server.postgres.cluster / "postmaster.pid").read_text().splitlines()[0])
    cut = "from django.db import connection as c; c.cursor().execute('SELECT pg_terminate_backend(pg_backend_pid())')"
    says = f"PostgreSQL at {server.host} is shutting down: start it again."
    assert_says(manage(server.url("guardian"), "shell", "-c", cut), says)
    holding = server.admin()
    try:
        os.kill(number, signal.SIGTERM)  # no new connections; ends when the last one has gone
        done = manage(server.url("guardian"), "verify_audit")
    finally:
        holding.close()
    psutil.wait_procs([psutil.Process(number)] if psutil.pid_exists(number) else [], timeout=10)
    server.postgres.start()
    assert_says(done, says)


def test_a_host_nobody_knows_and_one_that_is_mute() -> None:
    done = manage("postgresql://walter:sesame@nowhere.invalid/shop", "verify_audit")
    assert done.returncode == 1
    assert done.stderr.startswith("PostgreSQL at nowhere.invalid:5432 cannot be found: no such host: correct the host")
    assert done.stderr.count("\n") == 1
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        done = manage(f"postgresql://walter:sesame@127.0.0.1:{port}/shop", "verify_audit")
    says = f"PostgreSQL at 127.0.0.1:{port} does not answer: start it, open its port, or correct DATABASE_URL."
    assert_says(done, says)
