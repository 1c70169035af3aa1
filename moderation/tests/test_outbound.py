"""The webhook client against real servers on loopback, and against addresses it must never dial."""

import contextlib
import ipaddress
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation import outbound
from moderation.outbound import Answer, OutboundError, check_url, is_public, post

Handler = Callable[[socket.socket], None]
REAL_CONNECT = socket.socket.connect
REAL_LOOKUP = socket.getaddrinfo


@pytest.fixture(autouse=True)
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address dialled; one that is not loopback fails the test instead of leaving the machine."""
    seen: list[str] = []

    def connect(self: socket.socket, target: tuple) -> None:
        seen.append(target[0])
        assert ipaddress.ip_address(target[0]).is_loopback, f"dialled {target}"
        REAL_CONNECT(self, target)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Name -> one list of addresses per look-up, in turn. Only literals are looked up for real."""
    table: dict[str, list[list[str]]] = {}

    def getaddrinfo(host: str, port: int, *_: object, **options: int) -> list:
        if host not in table:
            return REAL_LOOKUP(host, port, flags=socket.AI_NUMERICHOST, **options)
        return [REAL_LOOKUP(a, port, flags=socket.AI_NUMERICHOST, **options)[0] for a in table[host].pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


class Server:
    """Reads whole requests and hands the socket to `handler`; with `blunt` it does so unread."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None, *, blunt: bool = False) -> None:
        self.handler, self.context, self.blunt = handler, context, blunt
        self.requests: list[bytes] = []
        self.done = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/hook?a=1"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.answer, args=(sock,), daemon=True).start()

    def answer(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with contextlib.suppress(OSError), sock:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                if not self.blunt:
                    self.requests.append(self.read(sock))
                self.handler(sock)
        self.done.set()

    def read(self, sock: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        length = int(re.search(rb"(?i)content-length: (\d+)", data)[1])
        while len(data.partition(b"\r\n\r\n")[2]) < length:
            data += sock.recv(65536)
        return data


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def begin(handler: Handler, context: ssl.SSLContext | None = None, *, blunt: bool = False) -> Server:
        servers.append(Server(handler, context, blunt=blunt))
        return servers[-1]

    yield begin
    for server in servers:
        server.listener.close()


def says(head: str, body: bytes = b"") -> Handler:
    text = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return lambda sock: sock.sendall(text + body)


def send(url: str, **changes: object) -> Answer:
    return post(url, **({"body": b"{}", "headers": {"webhook-id": "m1"}, "allow_loopback": True} | changes))


def refusal(url: str, **changes: object) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        send(url, **changes)
    assert caught.value.message.endswith(".")
    assert str(caught.value) == caught.value.message
    return caught.value


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
    assert send(start(says("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8bxx")).url).body == b"\x1f\x8bxx"


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


# Time and size


def hang(sock: socket.socket) -> None:
    time.sleep(3)


def drip(head: bytes, unit: bytes) -> Handler:
    def handle(sock: socket.socket) -> None:
        sock.sendall(head)
        for _ in range(200):
            sock.sendall(unit)
            time.sleep(0.05)

    return handle


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


# Addresses

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1
240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::a00:1
100::1 2001::1 2001:0:7f00:1:: 2001:db8::1 2002:7f00:1::1 2002:a9fe:a9fe:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254
fe80::1 fec0::1 ff02::1 ff0e::1
"""
ALL_PRIVATE = PRIVATE.split()


@pytest.mark.parametrize("text", ALL_PRIVATE)
def test_a_private_address_is_refused_as_a_literal_and_behind_a_name(text, names, dialled):
    assert not is_public(ipaddress.ip_address(text))
    literal = f"[{text}]" if ":" in text else text
    names["hooks.example"] = [[text]]
    for url in (f"https://{literal}/", "https://hooks.example/"):
        assert refusal(url, allow_loopback=False).code == "refused_address"
    assert dialled == []


@pytest.mark.parametrize(
    "text", [text for text in ALL_PRIVATE if not outbound._is_loopback(ipaddress.ip_address(text))]
)
def test_the_development_setting_allows_loopback_and_nothing_else(text, names, dialled):
    literal = f"[{text}]" if ":" in text else text
    for scheme in ("http", "https"):
        assert refusal(f"{scheme}://{literal}/").code == "refused_address"
    assert dialled == []


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])
def test_public_addresses_are_public(text):
    assert is_public(ipaddress.ip_address(text))


SPELLINGS = """
https://2130706433/ https://0x7f000001/ https://017700000001/ https://0177.0.0.1/ https://0x7f.1/ https://127.1/
https://127.0.1/ https://0/ https://0x0/ https://2852039166/ https://0xa9fea9fe/ https://169.254.43518/ https://10.1/
https://[0:0:0:0:0:0:0:1]/ https://[::ffff:7f00:1]/ https://[::FFFF:169.254.169.254]/ https://127.0.0.1./
https://3232235777/ https://0300.0250.1.1/ https://[2002:7f00:0001::]/ https://[64:ff9b::a9fe:a9fe]/
https://127\u30020\u30020\u30021/
"""


@pytest.mark.parametrize("url", SPELLINGS.split())
def test_other_spellings_of_private_addresses_are_refused(url, names, dialled):
    assert refusal(url, allow_loopback=False).code in {"refused_address", "unreachable", "bad_url"}
    assert dialled == []


def test_the_number_spellings_really_reach_the_guard(names):
    assert refusal("https://2130706433/", allow_loopback=False).code == "refused_address"
    assert refusal("https://0x7f.1/", allow_loopback=False).code == "refused_address"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "ip6-localhost", "localhost.localdomain"])
def test_names_of_this_machine_are_refused(host, dialled):
    assert refusal(f"https://{host}/", allow_loopback=False).code in {"refused_address", "unreachable"}
    assert dialled == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80@evil.example/",
        "https://127.0.0.1:80@evil.example/",
        "https://user@evil.example/",
        "https://@evil.example/",
        "https://evil.example\\@127.0.0.1/",
        "https://evil.example%2f@127.0.0.1/",
        "http://evil.example/",
        "ftp://evil.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/_x",
        "//evil.example/",
        "evil.example",
        "",
        "https://",
        "https:///x",
        "https://[fe80::1%25lo]/",
        "https://[::1",
        "https://[v1.x]/",
        "https://evil example/",
        "https://evil.example/\r\nX-Injected: 1",
        "https://evil.example/\x00",
        "https://evil%2eexample/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "https://ⓛocalhost/",
        "https://*.example/",
        "https://evil.example:22/",
        "https://evil.example:0/",
        "https://evil.example:99999/",
        "https://evil.example:x/",
        "https://evil.example/" + "a" * 2000,
        "https://\ud800.example/",
    ],
)
def test_a_bad_url_is_refused_before_any_look_up(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert refusal(url, allow_loopback=False).code == "bad_url"
    with pytest.raises(OutboundError):
        check_url(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url", ["https://a.example/x?y=1", "https://a.example:8443", "https://bücher.example/", "HTTPS://A.EXAMPLE"]
)
def test_a_proper_url_has_nothing_against_it(url):
    assert check_url(url, allow_loopback=False).scheme == "https"


@pytest.mark.parametrize("answers", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_one_private_answer_among_public_ones_is_enough(answers, scheme, names, dialled):
    names["hooks.example"] = [answers]
    error = refusal(f"{scheme}://hooks.example/", allow_loopback=False)
    assert error.code == ("refused_address" if scheme == "https" else "bad_url")
    assert dialled == []


def test_http_and_odd_ports_stay_on_loopback_when_it_is_allowed(names, dialled):
    names["hooks.example"] = [["8.8.8.8"], ["8.8.8.8"], ["127.0.0.1", "8.8.8.8"]]
    assert refusal("http://hooks.example/").code == "bad_url"
    assert refusal("https://hooks.example:22/").code == "bad_url"
    assert refusal("http://hooks.example/").code == "bad_url"
    assert dialled == []


def test_rebinding_finds_no_second_look_up(start, names, dialled):
    server = start(says("200 OK", b"judged"))
    names["hooks.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    url = f"http://hooks.example:{server.port}/"
    assert send(url).body == b"judged"
    assert names["hooks.example"] == [["10.0.0.1"]]
    assert f"Host: hooks.example:{server.port}".encode() in server.requests[0]
    # The next delivery looks up, and judges, anew.
    assert refusal(url).code == "refused_address"
    assert dialled == ["127.0.0.1"]


def test_a_dead_first_address_leaves_the_second(start, names, dialled):
    server = start(says("200 OK"))
    names["hooks.example"] = [["::1", "127.0.0.2", "127.0.0.1"]]
    assert send(f"http://hooks.example:{server.port}/").status == 200
    assert dialled == ["::1", "127.0.0.2", "127.0.0.1"]


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
