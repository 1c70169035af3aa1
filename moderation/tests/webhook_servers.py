"""Servers on loopback that misbehave as they are told, and every address dialled (a pytest plugin where needed).

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from moderation.outbound import Answer, OutboundError, post

Handler = Callable[[socket.socket], None]
REAL_CONNECT = socket.socket.connect
REAL_LOOKUP = socket.getaddrinfo


@pytest.fixture
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


def drip(head: bytes, unit: bytes) -> Handler:
    def handle(sock: socket.socket) -> None:
        sock.sendall(head)
        for _ in range(200):
            sock.sendall(unit)
            time.sleep(0.05)

    return handle
