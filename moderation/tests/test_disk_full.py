"""A disk that is full is called that, wherever it is met: by PostgreSQL, by initdb, by our own files."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import translation

from moderation.database_away import sentence
from moderation.middleware import DatabaseAwayMiddleware
from moderation.standalone import cluster
from moderation.standalone.datadir import DataDir, DataDirError
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.api_answers import assert_problem
from moderation.tests.people import App


@contextmanager
def small_disk(kilobytes: int, *, owner: int = 0) -> Iterator[Path]:
    """A file system of its own."""
    with tempfile.TemporaryDirectory(prefix="guardian-small-") as place:
        Path(place).chmod(0o711)  # the server passes through it
        disk = Path(place) / "disk"
        disk.mkdir()
        options = f"size={kilobytes}k,mode=0700,uid={owner}"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("only root may mount a small disk, and not everywhere: run this as root of a virtual machine")
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> None:
    descriptor = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while os.write(descriptor, bytes(4096)):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - the end of every way through here
    finally:
        os.close(descriptor)


@pytest.fixture
def full_for_cases(client_app: App) -> Iterator[None]:
    """The cases' table lies on a disk of the test server on which there is no room left."""
    with ExitStack() as stack, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        row = cursor.fetchone()
        assert row is not None
        if not Path(row[0]).is_dir():
            pytest.skip("the server's disk is another machine's")
        disk = stack.enter_context(small_disk(512, owner=os.stat(row[0]).st_uid))
        cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            cursor.execute("VACUUM FULL moderation_case")  # no page of an earlier test with room left in it
            cursor.execute("ALTER TABLE moderation_case SET TABLESPACE small")
            connection.close()
            fill(disk)
            yield
            (disk / "filler").unlink()
        finally:
            cursor.execute("ALTER TABLE moderation_case SET TABLESPACE pg_default")
            cursor.execute("DROP TABLESPACE small")


def test_the_web_and_the_commands_say_that_the_database_s_disk_is_full(client_app: App, full_for_cases: None) -> None:
    answer = client_app.post("cases/", {"content_id": "1", "author_id": "a", "text": "Hello", "language": "en"})
    assert_problem(answer, 503, "database_away")
    assert answer.json()["detail"].startswith("The disk of the database is full; nothing was stored.")
    assert answer.headers["Retry-After"]
    with pytest.raises(Exception, match="No space left") as full, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE filling TABLESPACE small AS SELECT repeat('x', 1000) FROM generate_series(1, 9999)"
        )
    said = sentence(full.value) or ""
    assert "has no room left: its disk is full, and nothing was stored: make room on that disk" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("language", "heading"),
    [
        ("en", "The disk of the database is full"),
        ("de", "Die Platte der Datenbank ist voll"),
        ("es", "El disco de la base de datos está lleno"),
    ],
)
def test_a_page_says_it_too(language: str, heading: str) -> None:
    error = OperationalError("could not extend file")
    error.__cause__ = psycopg.errors.DiskFull("could not extend file")
    door = DatabaseAwayMiddleware(lambda request: HttpResponse())
    with translation.override(language):
        answer = door.process_exception(RequestFactory().get("/console/"), error)
    assert answer is not None
    assert answer.status_code == 503
    assert f"<h1>{heading}</h1>" in answer.content.decode()


def test_a_database_that_cannot_be_made_for_want_of_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = cluster.binaries()
    with small_disk(20_000) as disk:
        disk.chmod(0o755)
        monkeypatch.setattr(cluster, "SHARED", disk)
        monkeypatch.setattr(cluster, "binaries", lambda: programs)
        with pytest.raises(DataDirError, match=r"could not create .*: its disk is full\. Make room on it"):
            EmbeddedPostgres(DataDir(tmp_path / "data")).start()


def test_keys_that_cannot_be_kept_for_want_of_room() -> None:
    with small_disk(16) as disk:
        fill(disk)
        with pytest.raises(DataDirError, match=r"the disk is full\. Make room on it"):
            DataDir(disk).load_or_create()
