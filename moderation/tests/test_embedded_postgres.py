"""The real server, started, killed and stopped. As root it also runs through it all as an ordinary user."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from moderation.standalone.cluster import SHARED, PostgresError
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres, serve
from moderation.tests.clusters import give_cluster

ROOT = Path(__file__).resolve().parents[2]
PREAMBLE = """
import sys, time
from pathlib import Path
import psycopg
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres, serve
datadir = DataDir(Path(sys.argv[1]))
"""
STARTER = """
server = EmbeddedPostgres(datadir)
server.start()
with psycopg.connect(datadir.database_url()) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
print("ready", flush=True)
time.sleep(60)
"""
COMMAND = """
with serve(datadir):
    for line in sys.stdin:
        with psycopg.connect(datadir.database_url()) as connection:
            print(connection.execute("SELECT 7").fetchone()[0], flush=True)
"""

PSQL = """
connection = psycopg.connect(datadir.database_url())
sys.stdin.readline()
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def unused(tmp_path: Path) -> Iterator[DataDir]:
    """A data directory that is not there yet."""
    datadir = DataDir(tmp_path / "data dir")
    yield datadir
    remove(datadir)


@pytest.fixture
def datadir(unused: DataDir) -> DataDir:
    """A data directory with a cluster that was never started."""
    give_cluster(unused)
    return unused


def remove(datadir: DataDir) -> None:
    server = EmbeddedPostgres(datadir)
    server.stop()
    if server.cluster.is_symlink() and server.cluster.readlink().parent == SHARED:
        shutil.rmtree(server.cluster.readlink())
    shutil.rmtree(datadir.socket_dir, ignore_errors=True)
    shutil.rmtree(datadir.path, ignore_errors=True)


def run(script: str, datadir: DataDir) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + script, str(datadir.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def ask(child: subprocess.Popen[str]) -> str:
    assert child.stdin
    assert child.stdout
    child.stdin.write("\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def value(datadir: DataDir, query: str = "SELECT value FROM kept") -> object:
    with psycopg.connect(datadir.database_url()) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def postmaster(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.cluster / "postmaster.pid").read_text().splitlines()[0]))


def whole_life(datadir: DataDir) -> None:
    server = EmbeddedPostgres(datadir)
    said: list[str] = []
    assert server.start(said.append)
    assert said == ["Creating the database", "Starting PostgreSQL"]
    process = postmaster(server)
    assert os.getpgid(process.pid) == os.getpgrp()
    assert process.uids().real != 0
    assert stat.S_IMODE(datadir.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700
    assert not [one for one in process.net_connections() if one.family.name != "AF_UNIX"]
    with psycopg.connect(datadir.database_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    assert value(datadir, "SELECT upper('é')") == "É"
    assert value(datadir, "SELECT current_setting('data_checksums')") == "on"

    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 5
    assert not server.running()
    assert not process.is_running()

    begun = time.monotonic()
    assert server.start()
    assert time.monotonic() - begun < 1.5
    os.kill(postmaster(server).pid, signal.SIGKILL)
    begun = time.monotonic()
    assert server.start()
    assert time.monotonic() - begun < 3
    assert value(datadir) == 7
    server.stop()
    assert not server.running()


def test_a_whole_life(unused: DataDir) -> None:
    whole_life(unused)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is what the other tests run as")
def test_a_whole_life_as_an_ordinary_user() -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="guardian test "))
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    datadir = DataDir(home / "data dir")
    try:
        # Forked, as this Python may lie where that user cannot execute it.
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
                try:
                    whole_life(datadir)
                    assert not EmbeddedPostgres(datadir).cluster.is_symlink()
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        remove(datadir)
        shutil.rmtree(home)


def test_after_everything_was_killed_the_data_is_there(datadir: DataDir) -> None:
    with run(STARTER, datadir) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == "ready\n"
        # One that is busy computing does not notice that its postmaster dies.
        busy = psycopg.connect(datadir.database_url(), autocommit=True)
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
        process = postmaster(EmbeddedPostgres(datadir))
        starter.kill()
        process.kill()
    begun = time.monotonic()
    with serve(datadir, own=True) as server:
        assert time.monotonic() - begun < 3
        assert value(datadir) == 7
        assert os.getpgid(postmaster(server).pid) == os.getpgrp()
    busy.close()
    assert not server.running()


def test_the_server_of_a_killed_demo_is_taken_over(datadir: DataDir) -> None:
    with run(STARTER, datadir) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == "ready\n"
        starter.kill()
    orphan = postmaster(EmbeddedPostgres(datadir))
    with serve(datadir, own=True) as server:
        assert postmaster(server) == orphan
        assert value(datadir) == 7
    assert not server.running()


def test_a_number_that_now_belongs_to_another_process_is_in_nobodys_way(datadir: DataDir) -> None:
    server = EmbeddedPostgres(datadir)
    server.start()
    postmaster(server).kill()
    with subprocess.Popen(["sleep", "60"]) as other:
        file = server.cluster / "postmaster.pid"
        _, rest = file.read_text().split("\n", 1)
        file.write_text(f"{other.pid}\n{rest}")
        assert not server.running()
        server.stop()
        assert server.start()
        server.stop()
        assert other.poll() is None
        other.kill()


def test_two_commands_at_once_share_a_server_and_the_last_stops_it(datadir: DataDir) -> None:
    with run(COMMAND, datadir) as one, run(COMMAND, datadir) as other:
        assert (ask(one), ask(other)) == ("7", "7")
        one.communicate(timeout=10)
        assert ask(other) == "7"
        other.communicate(timeout=10)
    assert (one.returncode, other.returncode) == (0, 0)
    assert not EmbeddedPostgres(datadir).running()


def test_a_command_leaves_a_running_demo_and_other_clients_alone(datadir: DataDir) -> None:
    with serve(datadir, own=True) as demo:
        with serve(datadir) as command:
            assert command.running()
        assert demo.running()
    assert not demo.running()
    with (
        serve(datadir) as command,
        run(PSQL, datadir) as psql,
    ):
        assert ask(psql) == "connected"
        command.leave()
        assert command.running()
        psql.communicate(timeout=10)
    assert not command.running()


def test_a_connection_left_open_does_not_keep_the_server_and_an_error_neither(datadir: DataDir) -> None:
    opened = []

    def command() -> None:
        with serve(datadir):
            opened.append(psycopg.connect(datadir.database_url()))
            sys.exit(3)

    with pytest.raises(SystemExit):
        command()
    assert not EmbeddedPostgres(datadir).running()
    opened[0].close()


def test_a_socket_directory_of_somebody_else_is_refused(datadir: DataDir, tmp_path: Path) -> None:
    datadir.create()
    datadir.socket_dir.symlink_to(tmp_path)
    try:
        with pytest.raises(PostgresError, match="is not a directory of ours"):
            EmbeddedPostgres(datadir).start()
    finally:
        datadir.socket_dir.unlink()


def test_a_failed_start_shows_what_the_server_said(datadir: DataDir) -> None:
    server = EmbeddedPostgres(datadir)
    server.start()
    server.stop()
    (server.cluster / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresError, match="database files are incompatible with server"):
        server.start()
    assert not server.running()
