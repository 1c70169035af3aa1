"""Real processes for the tests (a pytest plugin of the modules that need it): workers, web server, embedded ending.

Each is started in a process group of its own, waited for by what it does (never by a pause), and killed by that group.
Their output goes to a file in the test's directory, whose end is shown when one does not come up.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from moderation.models import Worker
from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir, Secrets
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.environment import empty_database
from moderation.tests.people import RUDE, until
from moderation.tests.platform import Platform
from queueing.tests.rabbit import Node, free_port

ROOT = Path(__file__).resolve().parents[2]
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
STANDBY = """
import sys
import django
django.setup()
import celery.bin.worker, queueing.tasks, queueing.worker_relay, agents.runner
sys.stdin.readline()
from celery.__main__ import main
sys.argv[0] = "celery"
sys.exit(main())
"""


@dataclass
class Process:
    """A process of ours, with everything it starts."""

    popen: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    @property
    def pid(self) -> int:
        return self.popen.pid

    def go(self) -> None:
        """Let a process on standby begin."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(b"\n")
        self.popen.stdin.close()

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

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]


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
        command = [sys.executable, "-m", "celery", "-A", "queueing", "worker", *options]
        process = self._start("worker", command, fault=fault)
        if wait:
            self.wait_for_worker(process)
        return process

    def standby(self, *, fault: str = "") -> Process:
        """A worker that has imported everything and begins only at `go`: a replacement that is there at once."""
        options = ["-A", "queueing", "worker", "--loglevel=INFO", "--without-mingle"]
        return self._start("standby", [sys.executable, "-c", STANDBY, *options], fault=fault, gated=True)

    def wait_for_worker(self, process: Process) -> None:
        """Its row is written by its relay, which starts when the worker consumes. A fault may kill it before."""
        self._wait(process, lambda: self.has_row(process), may_die=True)

    def has_row(self, process: Process) -> bool:
        with psycopg.connect(self.database_url, autocommit=True) as database:
            found = database.execute("SELECT 1 FROM moderation_worker WHERE name LIKE %s", [f"%:{process.pid}"])
            return found.fetchone() is not None

    def embedded(self, *, fault: str = "") -> Process:
        """A process that carries the embedded ending, once it runs. A fault may kill it before."""
        process = self._start("embedded", [sys.executable, "-c", EMBEDDED], fault=fault)
        self._wait(process, lambda: "ready" in process.log.read_text(errors="replace"), may_die=True)
        return process

    def web(self, *, fault: str = "", port: int = 0) -> Process:
        """gunicorn on loopback, once it answers."""
        port = port or free_port()
        options = ["--worker-class=gthread", "--threads=8", f"--bind=127.0.0.1:{port}", "--keep-alive=30"]
        command = [sys.executable, "-m", "gunicorn", "moderation.wsgi", *options]
        process = self._start("web", command, fault=fault)
        process.port = port
        self._wait(process, lambda: _answers(port))
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()

    def logs(self) -> str:
        return "\n".join(f"--- {process.log.name}\n{process.last_words()}" for process in self.started)

    def _start(self, name: str, command: list[str], *, fault: str, gated: bool = False) -> Process:
        log = self.home / f"{name}-{len(self.started)}.log"
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "moderation.settings",
            "SECRET_KEY": django_settings.SECRET_KEY,
            "GUARDIAN_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            **({"GUARDIAN_TESTING": "1", "GUARDIAN_FAULTPOINT": fault} if fault else {}),
            **self.environment,
        }
        with open(log, "ab") as output:
            popen = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE if gated else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = Process(popen, log)
        self.started.append(process)
        return process

    def _wait(self, process: Process, ready: Callable[[], bool], *, may_die: bool = False) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if not process.is_alive() and may_die and process.popen.returncode == -signal.SIGKILL:
                return
            if not process.is_alive() or time.monotonic() > deadline:
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


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Wire:
    """The API over real HTTP, as a client app with retries of its own would speak it; one connection per thread."""

    def __init__(self, port: int, api_key: str) -> None:
        self.port, self.api_key = port, api_key
        self._local = threading.local()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Raises OSError or http.client.HTTPException when nobody answers."""
        return self._ask("POST", path, json.dumps(body), headers)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def start(self, text: str = RUDE, *, key: str = "", **fields: Any) -> Answer:
        body = {"content_id": f"post-{uuid.uuid4()}", "author_id": f"author-{uuid.uuid4()}", "language": "en"}
        return self.post("cases/", {**body, "text": text, **fields}, **({"Idempotency-Key": key} if key else {}))

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        web = getattr(self._local, "web", None)
        if web is None:
            web = self._local.web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        said = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json", **headers}
        try:
            web.request(method, f"/api/v1/{path}", body, said)
            answer = web.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            web.close()
            self._local.web = None
            raise
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(content or b"{}"))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Let all `calls` go at the same moment, each in a thread with its own connection; their answers in order."""
    barrier = threading.Barrier(len(calls), timeout=10)
    connection.close()  # the pool has as many connections as the largest of these tests has threads

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def url_of_the_test_database() -> str:
    """Where other processes find the database this test stands on."""
    found = connection.settings_dict
    password = f":{quote(found['PASSWORD'], safe='')}" if found["PASSWORD"] else ""
    host = quote(found["HOST"] or "", safe="")
    return f"postgresql://{quote(found['USER'])}{password}@{host}:{found['PORT'] or 5432}/{found['NAME']}"


def expire_leases() -> None:
    """What a dead worker had in hand is due now, as it would be within 45 s."""
    with connection.cursor() as cursor:
        for table in ("moderation_run", "moderation_order", "moderation_notice"):
            cursor.execute(f"UPDATE {table} SET lease_until = now() WHERE lease_until > now()")
            cursor.execute(f"UPDATE {table} SET published_until = now() WHERE published_until > now()")


def orders_told(platform: Platform) -> list[tuple[str, dict[str, Any]]]:
    """(webhook-id, document) of every order that arrived, repeats included, in the order of arrival."""
    return [(webhook_id, document) for webhook_id, document in platform.received if "order_id" in document["data"]]


def told(platform: Platform) -> list[str]:
    """The actions in the order in which they first arrived, each webhook-id once."""
    return list({webhook_id: document["data"]["action"] for webhook_id, document in orders_told(platform)}.values())


def repeated(platform: Platform) -> list[str]:
    """The webhook-ids of orders that arrived more than once."""
    counts = Counter(webhook_id for webhook_id, _ in orders_told(platform))
    return [webhook_id for webhook_id, count in counts.items() if count > 1]


def wait_for_all(ids: list[str], *statuses: str, seconds: float = 60) -> None:
    """Until every one of these cases has one of these statuses."""
    from moderation.models import Case

    def look() -> dict[str, int]:
        found: dict[str, int] = {}
        for status in Case.objects.filter(pk__in=ids).values_list("status", flat=True):
            found[status] = found.get(status, 0) + 1
        return found

    until(look, lambda found: set(found) <= set(statuses) and sum(found.values()) == len(ids), seconds)


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


class OwnPostgres:
    """A PostgreSQL of its own, for the tests that kill it: the shared one carries the test process itself."""

    def __init__(self, home: Path) -> None:
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
        before = dict(connection.settings_dict)
        here = {"NAME": "guardian", "USER": "guardian", "HOST": str(self._server.socket.parent), "PORT": 5432}
        connection.close()
        connection.close_pool()
        connection.settings_dict.update(here)
        try:
            self.start()
            call_command("migrate", verbosity=0)
            empty_database()
            yield
        finally:
            connection.close()
            connection.close_pool()
            connection.settings_dict.update(before)


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
