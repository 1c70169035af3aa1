"""postgres.log of the embedded database: what went wrong with the server, and never what people wrote."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import serve
from moderation.tests.people import until

TEXT = "what Mrs. Miller wrote"


def _provoke(url: str) -> None:
    """Errors of each kind that quotes a statement, a parameter or a row."""
    with psycopg.connect(url, autocommit=True) as there:
        there.execute("DROP TABLE IF EXISTS said")
        there.execute("CREATE TABLE said (id int UNIQUE, words text CHECK (words NOT LIKE 'what%'), doc json)")
        for statement, values in (
            ("INSERT INTO said (words) VALUES (%s)", [TEXT]),
            (f"INSERT INTO said (words) VALUES ('{TEXT}')", []),
            (f"SELECT '{TEXT}'::int", []),
            ("INSERT INTO said (doc) VALUES (%s::text::json)", [TEXT]),
            (f"SELECT pg_sleep(5), '{TEXT}' FROM nowhere", []),
            (f"SET statement_timeout = 50; SELECT pg_sleep(5), '{TEXT}'", []),
            (f"DO $$ BEGIN RAISE WARNING '{TEXT}'; RAISE EXCEPTION '{TEXT}'; END $$", []),
        ):
            with pytest.raises(psycopg.Error):
                there.execute(statement, values)
        # A process that dies in the middle of a statement: the server tells what it was doing.
        there.execute("SET statement_timeout = 0")
        pid = there.info.backend_pid
        talking = threading.Thread(target=_talk, args=[there])
        talking.start()
        with psycopg.connect(url, autocommit=True) as other:
            look = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
            until(lambda: other.execute(look, [pid]).fetchone(), lambda row: row == (True,))
        psutil.Process(pid).kill()
        talking.join()


def _talk(there: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        there.execute(f"SELECT pg_sleep(60), '{TEXT}'")


def test_the_log_holds_no_words_of_anybodys(tmp_path: Path) -> None:
    home = DataDir(tmp_path)
    with serve(home, own=True) as server:
        _provoke(home.database_url("postgres"))
        until(lambda: server.log.read_text(), lambda said: "was terminated by signal 9" in said)
    assert "Miller" not in server.log.read_text()


def test_a_cluster_that_was_made_to_log_everything_no_longer_does(tmp_path: Path) -> None:
    home = DataDir(tmp_path)
    with serve(home, own=True) as server, psycopg.connect(home.database_url("postgres"), autocommit=True) as there:
        for setting in ("log_statement = 'all'", "log_min_messages = 'debug1'", "log_error_verbosity = 'verbose'"):
            there.execute(f"ALTER SYSTEM SET {setting}")
    with serve(home, own=True) as server:
        _provoke(home.database_url("postgres"))
        until(lambda: server.log.read_text(), lambda said: "was terminated by signal 9" in said)
    assert "Miller" not in server.log.read_text()
