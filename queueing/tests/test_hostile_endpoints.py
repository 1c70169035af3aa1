"""Endpoints that answer 500, hang, drip, redirect to loopback, send a gigabyte or sit behind a private address: the
case shows the truth, everybody else's orders arrive in order meanwhile, and after the endpoint heals everything
arrives exactly once by webhook-id."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from moderation.models import Client, Order
from moderation.tests.people import App, app, until
from moderation.tests.platform import Platform
from queueing.embedded import Embedded


class Hostile:
    """A raw server on a port of its own; `behave` gets each connection. Closed, the port can be taken over."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port: int = self._socket.getsockname()[1]
        self._behave = behave
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self._behave(connection)
            except OSError:
                pass  # the other side has had enough, as it should

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def error(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")


def hang(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side hangs up


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-slow: " + b"a" * 100:
        connection.sendall(bytes([byte]))
        time.sleep(1)  # the behaviour itself, not a wait


def redirect(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x" * 1_000_000)


@pytest.fixture
def at_work(database: None, settings: Settings) -> Iterator[Embedded]:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    ending = Embedded()
    ending.start()
    yield ending
    ending.stop()
    ending._pool.shutdown(wait=True)  # a delivery in the air may take its ten seconds


@pytest.fixture
def neighbour(at_work: Embedded, platform: Platform) -> App:
    made = app(webhook_url=platform.url)
    platform.secret = made.secret
    return made


def decided(client_app: App, *, author_id: str) -> str:
    case_id = client_app.start(author_id=author_id)
    client_app.wait_for(case_id, "pending_review")
    assert client_app.decide(case_id, "remove_content", "warn_author").status_code == 202
    return case_id


def test_bad_endpoints_harm_nobody_and_miss_nothing(neighbour: App, platform: Platform) -> None:
    hostile = [Hostile(behave) for behave in (error, hang, drip, redirect, flood)]
    bad = [app(webhook_url=f"http://127.0.0.1:{one.port}/hooks") for one in hostile]
    stuck = {id(one): [decided(one, author_id=f"bad-{number}") for number in range(2)] for one in bad}
    until(
        lambda: set(Order.objects.filter(attempts__gt=0).values_list("client_id", flat=True)),
        lambda seen: len(seen) == 5,
    )

    for number in range(5):
        neighbour.wait_for(decided(neighbour, author_id=f"good-{number}"), "completed", 15)
    assert platform.actions == ["remove_content", "warn_author"] * 5, "in order, and not behind the bad ones"

    for one in bad:
        (case_id, _) = stuck[id(one)]
        until(lambda: one.case(case_id)["actions"][0]["last_error"], bool, 40)  # noqa: B023
        assert one.case(case_id)["status"] == "enforcing", "the case shows that it waits, and why"

    healed = [Platform() for _ in bad]
    for one, port, platform_again in zip(bad, hostile, healed, strict=True):
        platform_again.secret = one.secret
        Client.objects.filter(pk=one.client.pk).update(webhook_url=platform_again.url, tried_at="2026-01-01T00:00:00Z")
        port.close()
    for one, platform_again in zip(bad, healed, strict=True):
        for case_id in stuck[id(one)]:
            one.wait_for(case_id, "completed", 45)
        assert sorted(platform_again.actions) == ["remove_content"] * 2 + ["warn_author"] * 2
        assert set(platform_again.tries().values()) == {1}, "exactly once by webhook-id"
        platform_again.close()


def test_a_name_that_leads_to_a_private_address_is_refused_and_shown(
    neighbour: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def rebound(host: object, *args: object, **kwargs: object) -> object:
        if host == "hooks.example.org":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    bad = app(webhook_url="https://hooks.example.org/in")
    case_id = decided(bad, author_id="bad")
    action = until(lambda: bad.case(case_id)["actions"], lambda actions: actions and actions[0]["last_error"], 15)[0]
    assert "not public" in action["last_error"]
    assert bad.case(case_id)["status"] == "enforcing"


def test_many_dead_endpoints_together_leave_the_others_their_threads(neighbour: App, platform: Platform) -> None:
    hostile = Hostile(hang)
    try:
        for number in range(12):
            dead = app(webhook_url=f"http://127.0.0.1:{hostile.port}/{number}")
            decided(dead, author_id="a")
            Client.objects.filter(pk=dead.client.pk).update(failing_since="2026-01-01T00:00:00Z", tried_at=None)
        for number in range(3):
            neighbour.wait_for(decided(neighbour, author_id=f"good-{number}"), "completed", 20)
        assert len(platform.actions) == 6
    finally:
        hostile.close()
