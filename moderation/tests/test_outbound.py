"""The webhook client against real servers on loopback: answers, TLS, headers."""

import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from moderation import outbound
from moderation.outbound import Answer, OutboundError
from moderation.tests.webhook_servers import drip, refusal, says, send

pytest_plugins = ["moderation.tests.webhook_servers"]
pytestmark = pytest.mark.usefixtures("dialled")

# Answers


def test_an_answer_comes_back_and_the_request_is_what_was_given(start):
    server = start(says("200 OK", b'{"result":"applied"}'))
    answer = send(server.url, body=b'{"type":"ping"}', headers={"webhook-id": "m1", "content-type": "application/json"})
    assert answer == Answer(200, b'{"result":"applied"}')
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /hook?a=1 http/1.1"
    assert sorted(lines[1:]) == [
        "accept-encoding: identity",
        "connection: close",
        "content-length: 15",
        "content-type: application/json",
        f"host: 127.0.0.1:{server.port}",
        "webhook-id: m1",
    ]
    assert body == b'{"type":"ping"}'


@pytest.mark.parametrize("head", ["500 Oops", "404 No", "410 Gone", "204 Empty"])
def test_every_status_is_an_answer(start, head):
    assert send(start(says(head)).url).status == int(head[:3])


def test_a_redirect_is_returned_and_not_followed(start):
    other = start(says("200 OK"))
    server = start(says(f"307 Moved\r\nLocation: {other.url}"))
    assert send(server.url).status == 307
    assert (len(server.requests), other.requests) == (1, [])


def test_the_environment_sets_no_proxy(start, monkeypatch):
    proxy = start(says("200 OK", b"proxy"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert send(start(says("200 OK", b"direct")).url).body == b"direct"
    assert proxy.requests == []


def test_a_compressed_body_stays_as_it_is(start):
    answer = send(start(says("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8bxx")).url)
    assert answer == Answer(200, b"\x1f\x8bxx", "gzip")


def test_nothing_is_sent_after_the_moment_it_is_no_longer_ours(start, dialled):
    server = start(says("200 OK"))
    error = refusal(server.url, not_after=time.monotonic())
    assert (error.code, error.sent, dialled, server.requests) == ("timeout", False, [], [])


def test_a_moment_that_passes_after_the_connection_is_made_still_stops_the_request(start, monkeypatch):
    server = start(says("200 OK"))
    connect, clock = socket.socket.connect, time.monotonic

    def slowly(sock, target):
        connect(sock, target)
        monkeypatch.setattr(outbound.time, "monotonic", lambda: clock() + 60)  # as if it had been stopped just here

    monkeypatch.setattr(socket.socket, "connect", slowly)
    error = refusal(server.url, not_after=clock() + 30)
    assert (error.code, error.sent) == ("timeout", False)
    server.done.wait(5)
    assert all(not request for request in server.requests)


def test_an_error_tells_whether_something_was_sent(start):
    def vanish(sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_RDWR)

    assert refusal(start(vanish).url).sent
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not refusal(f"http://127.0.0.1:{port}/").sent


def test_each_call_has_its_own_connection_and_sends_no_cookie(start, dialled):
    server = start(says("200 OK\r\nSet-Cookie: a=b\r\nConnection: keep-alive"))
    assert [send(server.url).status for _ in range(2)] == [200, 200]
    assert dialled == ["127.0.0.1", "127.0.0.1"]
    assert b"cookie" not in server.requests[1].lower()


def test_an_early_answer_to_a_large_body_is_read(start):
    def hurry(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.3)

    server = start(hurry, blunt=True)
    # The reset that follows may overtake the answer; what must not happen is a wait for the deadline.
    try:
        code: object = send(server.url, body=b"x" * 50_000_000, deadline_seconds=2).status
    except OutboundError as error:
        code = error.code
    assert code in {413, "unreachable", "protocol"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000, "protocol"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol"),
    ],
)
def test_what_is_not_http_is_an_error(start, raw, code):
    def speak(sock: socket.socket) -> None:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)

    assert refusal(start(speak).url, deadline_seconds=2).code == code


def test_nobody_listening_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}/").code == "unreachable"


def test_a_name_without_address_is_unreachable(monkeypatch):
    def nothing(*_: object, **__: object) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert refusal("https://hooks.example/").code == "unreachable"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", f"{path}.crt"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_self_signed_certificate_is_refused(start, tls):
    error = refusal(start(says("200 OK"), tls).url)
    assert error.code == "protocol"
    assert "certificate" in error.message


def test_the_environment_adds_no_trust(start, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    outbound._trust.cache_clear()
    assert refusal(start(says("200 OK"), tls).url).code == "protocol"


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=f"{certificate}.crt")
    monkeypatch.setattr(outbound, "_trust", lambda: context)


@pytest.mark.usefixtures("trusting")
def test_a_trusted_certificate_is_taken_for_its_own_name_only(start, tls, names):
    server = start(says("200 OK", b"ok"), tls)
    assert send(server.url) == Answer(200, b"ok")
    names["other.example"] = [["127.0.0.1"]]
    assert refusal(f"https://other.example:{server.port}/").code == "protocol"


@pytest.mark.usefixtures("trusting")
def test_the_deadline_holds_over_tls(start, tls):
    began = time.monotonic()
    assert refusal(start(drip(b"", b"H"), tls).url, deadline_seconds=0.5).code == "timeout"
    assert time.monotonic() - began < 1.0


def test_a_handshake_that_hangs_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        began = time.monotonic()
        assert refusal(url, deadline_seconds=0.4).code == "timeout"
        assert time.monotonic() - began < 0.9


def test_a_server_without_tls_is_an_error(start):
    server = start(says("400 Speak HTTP"), blunt=True)
    assert refusal(server.url.replace("http:", "https:"), deadline_seconds=2).code == "protocol"


# Headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\nc"),
        ("x-a", "b\r"),
        ("x-a", "b\x00"),
        ("x-a", "ü"),
        ("x-a", ""),
        ("x-a\r\nx-b", "c"),
        ("x a", "b"),
        ("", "b"),
        ("Host", "evil.example"),
        ("transfer-encoding", "chunked"),
        ("Content-Length", "0"),
        ("accept-encoding", "gzip"),
    ],
)
def test_a_header_cannot_smuggle(start, name, value):
    server = start(says("200 OK"))
    assert refusal(server.url, headers={name: value}).code == "protocol"
    assert server.requests == []
