"""`manage.py doctor`: one line for every part, and the mend beside what is broken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from pytest_django import Settings

from moderation.models import Client, Order, Run, Worker
from moderation.tests.people import RUDE, App, until, work
from moderation.tests.people import app as app_of_a_client
from moderation.tests.platform import Platform
from queueing import checkup
from queueing.celery import DEAD, app
from queueing.relay import Relay
from queueing.tests.rabbit import Node

pytest_plugins = ["queueing.tests.rabbit"]
ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A service on the network that knows one key."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.paths.append(self.path)
                known = "the-key" in (self.headers.get("authorization", "") + self.headers.get("x-api-key", ""))
                self.send_response(200 if known else 401)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture
def shop(database: None, platform: Platform, settings: Settings) -> App:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    return app_of_a_client(name="shop", webhook_url=platform.url)


def examine() -> dict[str, str]:
    """The doctor's lines by name, each with its first word."""
    out = StringIO()
    code = 0
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as end:
        code = int(end.code or 0)
    lines = out.getvalue().splitlines()
    found = {line.split(" ", 1)[1].split(":")[0]: line for line in lines}
    assert code == any(line.startswith("FAIL") for line in lines)
    return found


def test_a_healthy_house_has_nothing_to_mend(shop: App) -> None:
    Worker.objects.create(name="here:1", threads=8, seen_at=Now())
    found = examine()
    assert {line.split(" ")[0] for line in found.values()} == {"ok"}
    assert set(found) == {
        "database",
        "migrations",
        "checkpoints",
        "clocks",
        "history",
        "broker",
        "groq",
        "langsmith",
        "client shop",
        "outbox",
        "runs",
        "workers",
    }


def test_an_endpoint_that_does_not_answer_a_ping_is_named(shop: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    assert "500" in examine()["client shop"]
    assert examine()["client shop"].startswith("FAIL")
    assert platform.notices[0]["type"] == "ping"


def test_what_is_broken_is_named_with_its_mend(shop: App) -> None:
    shop.start()
    Run.objects.update(attempts=5, last_error="ValueError:\nno such thing", due_at=Now() - timedelta(minutes=5))
    Client.objects.update(failing_since=Now())
    Worker.objects.create(name="gone:1", threads=8, seen_at=Now() - timedelta(minutes=1))
    found = examine()
    for name in ("outbox", "runs", "workers", "client shop"):
        assert found[name].startswith("FAIL"), found[name]
        assert " — " in found[name]
    assert "failed 5 times: ValueError: no such thing" in found["runs"]


def test_a_history_that_is_not_sealed_any_more_is_named(shop: App, settings: Settings) -> None:
    settings.AUDIT_KEY = "Zq3_another-key-that-came-after-the-first-migrate-81"
    found = str(next(iter(checkup.check_history())))
    assert found.startswith("FAIL history: nothing is sealed: the head of the chain was made with another key")
    assert "as it was at the first migrate" in found


def test_a_clock_that_differs_from_the_databases_is_named(shop: App, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = timedelta(hours=1)
    Worker.objects.create(name="here:1", threads=8, seen_at=Now(), clock=Now())
    Worker.objects.create(name="ahead:1", threads=8, seen_at=Now(), clock=Now() + hour)
    Worker.objects.create(name="gone:1", threads=8, seen_at=Now() - hour, clock=Now() + hour)
    line = examine()["clocks"]
    assert line.startswith("FAIL clocks: ahead:1 is 3600 s ahead of the database — ")
    assert "NTP" in line
    Worker.objects.filter(name="ahead:1").delete()
    assert examine()["clocks"].startswith("ok")
    right = checkup.timezone.now
    for shift, said in ((40, "this machine is 40 s ahead of"), (-40, "this machine is 40 s behind")):
        monkeypatch.setattr(checkup.timezone, "now", lambda shift=shift: right() + timedelta(seconds=shift))
        assert said in str(next(iter(checkup.check_clocks())))


def test_a_worker_tells_its_own_clock(database: None) -> None:
    relay = Relay(lambda offer: True, threads=2)
    relay._heartbeat()
    worker = Worker.objects.get()
    assert worker.clock is not None
    assert abs(worker.clock - worker.seen_at) < timedelta(seconds=5)


def test_a_client_without_an_address_is_in_pull_mode(shop: App) -> None:
    Client.objects.update(webhook_url="")
    assert "pull mode" in examine()["client shop"]


def test_what_no_app_has_fetched_is_named(shop: App) -> None:
    Client.objects.update(webhook_url="")
    case_id = shop.start(RUDE)
    work()
    shop.decide(case_id, "remove_content", "warn_author", reason="Rude.")
    work()
    assert "orders of" not in " ".join(map(str, checkup.check_unfetched())), "it was ordered only just now"
    Order.objects.update(due_at=Now() - timedelta(hours=2))
    (finding,) = checkup.check_unfetched()
    assert not finding.ok
    assert "1 wait to be fetched, for up to 120 min" in str(finding), "one line is held up"
    assert "GET /api/v1/orders/" in str(finding)
    shop.get("orders/")
    assert list(checkup.check_unfetched()) == []


def test_services_are_asked_with_the_key(database: None, settings: Settings, service: Service) -> None:
    agent = {**settings.AGENT, "GROQ_API_BASE": service.url, "LANGSMITH_ENDPOINT": service.url}
    settings.AGENT = {
        **agent,
        "GROQ_API_KEY": "the-key",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "the-key",
    }
    assert checkup.check_groq().ok
    assert checkup.check_langsmith().ok
    assert service.paths == ["/openai/v1/models", "/sessions?limit=1"]
    settings.AGENT = {**agent, "GROQ_API_KEY": "another", "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": ""}
    assert "correct GROQ_API_KEY" in str(checkup.check_groq())
    assert "another" not in str(checkup.check_groq())
    assert "set LANGSMITH_API_KEY" in str(checkup.check_langsmith())
    settings.AGENT = {**agent, "GROQ_API_KEY": "the-key", "GROQ_API_BASE": "http://127.0.0.1:1"}
    assert "cannot be reached" in str(checkup.check_groq())


def test_the_broker_is_asked_without_declaring_anything(database: None, settings: Settings, broker: Node) -> None:
    settings.BROKER_URL = broker.url
    app.conf.broker_url = broker.url
    try:
        with app.connection_for_write() as there:
            for queue in (*app.conf.task_queues, DEAD):
                queue(there.default_channel).delete()
        missing = next(iter(checkup.check_broker()))
        assert not missing.ok
        assert "guardian.dead" in missing.detail
        assert "guest:guest" not in str(missing)
        with app.connection_for_write() as there:
            for queue in (*app.conf.task_queues, DEAD):
                queue(there.default_channel).declare()
        assert [finding.ok for finding in checkup.check_broker()] == [True, True]
        with app.connection_for_write() as there, there.Producer() as producer:
            producer.publish({}, exchange=DEAD.exchange, routing_key="dead", declare=[DEAD], retry=True)
        until(lambda: [str(finding) for finding in checkup.check_broker()], lambda said: "1 messages" in said[1], 10)
        assert [finding.ok for finding in checkup.check_broker()] == [True, False]
    finally:
        with app.connection_for_write() as there:
            DEAD(there.default_channel).purge()
        app.conf.broker_url = None
        app.pool.force_close_all()


def test_a_broker_that_is_away_is_a_failure(database: None, settings: Settings) -> None:
    settings.BROKER_URL = "amqp://guest:secret@127.0.0.1:1//"
    app.conf.broker_url = settings.BROKER_URL
    try:
        line = examine()["broker"]
    finally:
        app.conf.broker_url = None
    assert line.startswith("FAIL")
    assert "start RabbitMQ" in line
    assert "secret" not in line


def test_a_database_that_is_away_ends_it_quickly(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "doctor"],
        env={
            "PATH": os.environ["PATH"],
            "GUARDIAN_HOME": str(tmp_path),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "SECRET_KEY": "only-for-this-test-0123456789-abcdefghijk",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL database:")
    assert "start it, or correct DATABASE_URL" in done.stdout
    assert "Traceback" not in done.stderr
