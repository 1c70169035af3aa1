"""Real processes for the tests (a pytest plugin of the modules that need it): workers, web server, embedded ending.

Each is started in a process group of its own, waited for by what it does (never by a pause), and killed by that group.
Their output goes to a file in the test's directory, whose end is shown when one does not come up.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection

from moderation.models import Worker
from moderation.standalone.datadir import DataDir, Secrets
from queueing.tests.fork_server import FORK_SERVER, ROOT, Forked
from queueing.tests.rabbit import Node, free_port

READY_SECONDS = 60
EMBEDDED = """
import os, signal, threading
import django
django.setup()
from queueing.embedded import Embedded
ending = Embedded()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ending.start()
print("ready", flush=True)
ended.wait()
ending.stop()
os._exit(0)
"""
DELIVERER = """
import datetime, sys, uuid
import django
django.setup()
from moderation.services.orders import delivery, webhooks
webhooks.LEASE = datetime.timedelta(seconds=float(sys.argv[2]))
delivery.deliver(uuid.UUID(sys.argv[1]))
"""


@dataclass
class Process:
    """A process of ours, with everything it starts."""

    popen: Forked
    log: Path
    port: int = 0

    @property
    def pid(self) -> int:
        return self.popen.pid

    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """kill -9, the whole group at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self, seconds: float = 15) -> None:
        """As a service manager does; fails if it does not end."""
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"it did not end within {seconds} s of SIGTERM:\n{self.last_words()}")

    def wait_until_dead(self, seconds: float = 60) -> None:
        """Until a fault point has killed it."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it was never killed:\n{self.last_words()}")
        assert self.popen.returncode == -signal.SIGKILL, f"it died of itself:\n{self.last_words()}"
        self.kill()

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT."""
        self.popen.send_signal(number)

    def is_stopped(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]

    def lines(self, since: int = 0) -> list[str]:
        """What it has written so far, without the first `since` lines."""
        return self.log.read_text(errors="replace").splitlines()[since:]


@dataclass
class House:
    """Starts the processes of one installation. `database_url` and `broker_url` may be those of servers of a test's
    own; `home` carries the permission for webhooks to loopback, which is where the tests' platforms listen."""

    home: Path
    database_url: str
    broker_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    started: list[Process] = field(default_factory=list)

    def worker(self, *, fault: str = "", wait: bool = True, threads: int = 0) -> Process:
        """`python -m celery -A queueing worker`; with `wait`, once it consumes."""
        assert self.broker_url, "a worker needs a broker"
        # Without mingle, a second in which a worker waits for answers that no other one of ours gives.
        options = ["--loglevel=INFO", "--without-mingle", *([f"--concurrency={threads}"] if threads else [])]
        process = self._start("worker", module="celery", argv=["-A", "queueing", "worker", *options], fault=fault)
        if wait:
            self.wait_for_worker(process)
        return process

    def wait_for_worker(self, process: Process) -> None:
        """Its row is written by its relay, which starts when the worker consumes. A fault may kill it before."""
        self._wait(process, lambda: self.has_row(process), may_die=True)

    def has_row(self, process: Process) -> bool:
        with psycopg.connect(self.database_url, autocommit=True) as database:
            found = database.execute("SELECT 1 FROM moderation_worker WHERE name LIKE %s", [f"%:{process.pid}"])
            return found.fetchone() is not None

    def embedded(self, *, fault: str = "") -> Process:
        """A process that carries the embedded ending, once it runs. A fault may kill it before."""
        process = self.script("embedded", EMBEDDED, fault=fault)
        self._wait(process, lambda: "ready" in process.log.read_text(errors="replace"), may_die=True)
        return process

    def relay(self) -> Process:
        """`manage.py relay`, once it says what it does."""
        process = self._start("relay", module="manage", argv=["relay"])
        self._wait(process, lambda: "Ctrl-C ends it" in process.log.read_text(errors="replace"))
        return process

    def beat(self) -> Process:
        """`celery -A queueing beat`, once its banner is out."""
        process = self._start("beat", module="celery", argv=["-A", "queueing", "beat", "--loglevel=INFO"])
        self._wait(process, lambda: "beat: Starting" in process.log.read_text(errors="replace"))
        return process

    def script(self, name: str, program: str, *argv: str, fault: str = "") -> Process:
        """A program of a test's own, with the house's settings."""
        return self._start(name, code=program, argv=list(argv), fault=fault)

    def deliverer(self, order_id: object, *, lease_seconds: float, fault: str = "") -> Process:
        """A worker's delivery of one order, in a process of its own that can be stopped by itself."""
        return self.script("deliverer", DELIVERER, str(order_id), str(lease_seconds), fault=fault)

    def web(self, *, fault: str = "", port: int = 0) -> Process:
        """gunicorn on loopback, once it answers."""
        port = port or free_port()
        options = ["--worker-class=gthread", "--threads=8", f"--bind=127.0.0.1:{port}", "--keep-alive=30"]
        process = self._start("web", module="gunicorn", argv=["moderation.wsgi", *options], fault=fault)
        process.port = port
        self._wait(process, lambda: _answers(port))
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()

    def logs(self) -> str:
        return "\n".join(f"--- {process.log.name}\n{process.last_words()}" for process in self.started)

    def _start(self, name: str, *, fault: str = "", **what: Any) -> Process:
        log = self.home / f"{name}-{len(self.started)}.log"
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "moderation.settings",
            # SECRET_KEY comes from there: with one in the environment the directory, and its permission, is not read.
            "GUARDIAN_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            **({"GUARDIAN_TESTING": "1", "GUARDIAN_FAULTPOINT": fault} if fault else {}),
            **self.environment,
        }
        process = Process(FORK_SERVER.start(what, environment, log), log)
        self.started.append(process)
        return process

    def _wait(self, process: Process, ready: Callable[[], bool], *, may_die: bool = False) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            ended = process.popen.poll()
            if may_die and ended == -signal.SIGKILL:
                return
            if ended is not None or time.monotonic() > deadline:
                pytest.fail(f"{process.log.name} does not come up:\n{process.last_words()}")
            time.sleep(0.03)


def _answers(port: int) -> bool:
    try:
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        web.request("GET", "/livez")
        good = web.getresponse().status == 200
        web.close()
    except OSError:
        return False
    return good


def url_of_the_test_database() -> str:
    """Where other processes find the database this test stands on."""
    found = connection.settings_dict
    password = f":{quote(found['PASSWORD'], safe='')}" if found["PASSWORD"] else ""
    host = quote(found["HOST"] or "", safe="")
    return f"postgresql://{quote(found['USER'])}{password}@{host}:{found['PORT'] or 5432}/{found['NAME']}"


@contextlib.contextmanager
def house(database_url: str, broker_url: str = "") -> Iterator[House]:
    """An installation whose processes end with the block; their logs are shown if it fails."""
    with tempfile.TemporaryDirectory(prefix="guardian-house-") as home:
        DataDir(Path(home)).save(
            Secrets(django_settings.SECRET_KEY, "", "whsec_" + "A" * 43 + "=", allow_loopback_webhooks=True)
        )
        made = House(Path(home), database_url, broker_url)
        try:
            yield made
        except BaseException:
            sys.stderr.write(made.logs())
            raise
        finally:
            made.end()


@pytest.fixture
def broker_house(database: None, broker: Node) -> Iterator[House]:
    """An installation on the tests' database and the tests' RabbitMQ, whose lanes are empty."""
    with house(url_of_the_test_database(), broker.url) as made:
        yield made
    empty_lanes(broker)
    Worker.objects.all().delete()


@pytest.fixture
def embedded_house(database: None) -> Iterator[House]:
    """An installation on the tests' database without a broker."""
    with house(url_of_the_test_database()) as made:
        yield made


def empty_lanes(broker: Node) -> None:
    """No message of one test reaches the next one's workers."""
    from kombu import Connection

    from queueing.celery import DEAD
    from queueing.celery import app as celery_app

    with Connection(broker.url) as connected, connected.channel() as channel:
        for queue in (*celery_app.conf.task_queues, DEAD):
            with contextlib.suppress(connected.channel_errors):
                queue(channel).purge()
