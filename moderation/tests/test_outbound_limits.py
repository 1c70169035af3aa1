"""The webhook client's limits: the deadline spans everything, and no more is read than is kept."""

import socket
import time

import pytest

from moderation.outbound import Answer
from moderation.tests.webhook_servers import drip, refusal, says, send

pytest_plugins = ["moderation.tests.webhook_servers"]
pytestmark = pytest.mark.usefixtures("dialled")

# Time and size


def hang(sock: socket.socket) -> None:
    time.sleep(3)


@pytest.mark.parametrize(
    "handler",
    [
        hang,
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    ],
    ids=["hang", "status", "header", "continue", "body", "chunks", "trailers"],
)
def test_the_deadline_spans_everything_however_often_the_server_stirs(start, handler):
    server = start(handler)
    began = time.monotonic()
    assert refusal(server.url, deadline_seconds=0.5).code == "timeout"
    assert 0.4 < time.monotonic() - began < 1.0


def test_a_byte_a_second_ends_at_the_deadline(start):
    def slow(sock: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK":
            sock.sendall(bytes([byte]))
            time.sleep(1)

    began = time.monotonic()
    assert refusal(start(slow).url, deadline_seconds=2.2).code == "timeout"
    assert 2.0 < time.monotonic() - began < 2.8


def test_a_server_that_reads_slowly_does_not_stretch_the_deadline(start):
    def sip(sock: socket.socket) -> None:
        for _ in range(100):
            sock.recv(65536)
            time.sleep(0.05)

    server = start(sip, blunt=True)
    began = time.monotonic()
    assert refusal(server.url, body=b"x" * 50_000_000, deadline_seconds=0.5).code == "timeout"
    assert time.monotonic() - began < 1.0


def test_a_name_server_that_hangs_does_not_stretch_the_deadline(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    began = time.monotonic()
    assert refusal("https://hooks.example/", deadline_seconds=0.3).code == "timeout"
    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("chunked", [False, True])
def test_a_gigabyte_is_read_to_64_kb_only(start, chunked):
    sent = [0]

    def pour(sock: socket.socket) -> None:
        how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1000000000"
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + how + b"\r\n\r\n")
        block = b"10000\r\n" + b"a" * 65536 + b"\r\n" if chunked else b"a" * 65536
        for _ in range(16000):
            sock.sendall(block)
            sent[0] += len(block)

    server = start(pour)
    answer = send(server.url)
    assert answer == Answer(200, b"a" * 65536)
    assert server.done.wait(5)
    assert sent[0] < 30_000_000


def test_the_body_is_cut_at_exactly_the_limit(start):
    server = start(says("200 OK", b"abcdef"))
    assert [send(server.url, max_bytes=limit).body for limit in (3, 6, 7)] == [b"abc", b"abcdef", b"abcdef"]
