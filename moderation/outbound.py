"""The HTTP client for webhooks: one POST to an address a client chose, with the guards such an address needs.

It knows no models and no Django. Every call opens its own connection and closes it, so that each delivery is
judged afresh: no pool, cookies, redirects, proxies, environment, retries or decompression exist here.
"""

import functools
import ipaddress
import math
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpcore2
import httpx2

ErrorCode = Literal["refused_address", "unreachable", "timeout", "bad_url", "protocol"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# The family, the address and what socket.connect takes for it, which holds the address as a literal.
Found = tuple[int, Address, tuple[Any, ...]]

PUBLIC_PORTS = frozenset({80, 443, 8443})
MAX_URL_LENGTH = 2000
DIALLED_AT_MOST = 8

LOOPBACK_V4 = ipaddress.IPv4Network("127.0.0.0/8")
LOOPBACK_V6 = ipaddress.IPv6Address("::1")
# `is_global` lets these through; 168.63.129.16 is public in form but is Azure's metadata service.
DENIED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24")
)
# Only this block holds IPv6 hosts of the public internet; IPv4-mapped, NAT64 and site-local lie outside of it.
UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
# These can carry an IPv4 address inside, or are documentation.
DENIED_V6 = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]+")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
OWN_HEADERS = frozenset({"host", "connection", "accept-encoding", "content-length", "transfer-encoding", "expect"})


class OutboundError(Exception):
    """No answer was had. `code` is for programs, `message` is one sentence for supervisors. `sent`: some of the
    request had left, so the other side may have acted on it all the same."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.sent = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: the status (redirects included), the start of the body, as raw bytes, and how it is packed
    (`Content-Encoding`), should it be in spite of what we ask for."""

    status: int
    body: bytes
    encoding: str = ""


def is_public(address: Address) -> bool:
    """Whether the address is one host of the public internet, and can be nothing else in disguise."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in DENIED_V4)
    return address in UNICAST_V6 and not any(address in network for network in DENIED_V6)


def _is_loopback(address: Address) -> bool:
    return address in LOOPBACK_V4 if isinstance(address, ipaddress.IPv4Address) else address == LOOPBACK_V6


def check_url(url: str, *, allow_loopback: bool) -> httpx2.URL:
    """Judges the form of a webhook address without any look-up; raises OutboundError `bad_url`."""
    if len(url) > MAX_URL_LENGTH or re.search(r"[\s\\]", url):
        raise OutboundError("bad_url", "The address is too long or holds a backslash or white space.")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise OutboundError("bad_url", "The address is not a valid URL.") from None
    if parsed.scheme != "https" and not (allow_loopback and parsed.scheme == "http"):
        raise OutboundError("bad_url", "The address must start with https://.")
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise OutboundError("bad_url", "The address must not hold a user name or password.")
    if not HOST.fullmatch(parsed.raw_host.decode("ascii")):
        raise OutboundError("bad_url", "The address names no valid host.")
    if not allow_loopback:
        _check_port(parsed)
    return parsed


def _port(url: httpx2.URL) -> int:
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def _check_port(url: httpx2.URL) -> None:
    if _port(url) not in PUBLIC_PORTS:
        raise OutboundError("bad_url", f"Port {_port(url)} is not allowed; use 443, 8443 or 80.")


@dataclass(slots=True)
class _Deadline:
    """One moment on the monotonic clock for all of a call. `sent`: bytes of the request have left."""

    at: float
    host: str
    sent: bool = False

    def remaining(self) -> float:
        """Seconds left, above zero; raises OutboundError `timeout` when none are."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> OutboundError:
        return OutboundError("timeout", f"{self.host} did not answer completely in time.")


def _look_up(host: str, port: int, deadline: _Deadline) -> list[Found]:
    answers: queue.SimpleQueue[list[Found] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, ipaddress.ip_address(info[0]), info) for family, *_, info in infos])
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting thread has to hear of it
            answers.put(error)

    # getaddrinfo knows no timeout. A daemon thread outlives the deadline at most by the resolver's own patience.
    threading.Thread(target=ask, name="webhook-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise OutboundError("timeout", f"The name {host} could not be looked up in time.") from None
    if isinstance(answer, Exception) or not answer:
        raise OutboundError("unreachable", f"The name {host} has no usable address.")
    return list(dict.fromkeys(answer))


class _Stream(httpcore2.NetworkStream):
    """A connected socket on which no operation outlives the deadline, however often the other side stirs."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._socket = sock
        self._deadline = deadline

    def _arm(self, timeout: float | None) -> None:
        left = self._deadline.remaining()
        self._socket.settimeout(left if timeout is None else min(timeout, left))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._arm(timeout)
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError:
            raise self._deadline.error() from None
        except ssl.SSLError:
            raise OutboundError("protocol", f"{self._deadline.host} broke the encrypted connection.") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            # Armed before every send: `sendall` on a TLS socket would start the clock anew for each part.
            # And it asks the clock as late as can be: who was stopped must not post what is no longer his to post.
            self._arm(timeout)
            self._deadline.sent = True
            try:
                view = view[self._socket.send(view) :]
            except TimeoutError:
                raise self._deadline.error() from None
            except OSError as error:
                # httpcore2 then still reads the answer of a server that hung up early.
                raise httpcore2.WriteError(str(error)) from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "httpcore2.NetworkStream":
        host = self._deadline.host
        try:
            self._arm(timeout)
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except ssl.SSLCertVerificationError as error:
            reason = getattr(error, "verify_message", "") or error
            raise OutboundError("protocol", f"The certificate of {host} is not valid: {reason}.") from None
        except TimeoutError:
            raise self._deadline.error() from None
        except (ssl.SSLError, ValueError):
            raise OutboundError("protocol", f"{host} does not speak TLS as it should.") from None
        finally:
            # wrap_socket has taken the descriptor over; on an error this is what closes it.
            self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None


@dataclass(frozen=True, slots=True)
class _Guard(httpcore2.NetworkBackend):
    """Looks a name up once, judges every address it has, and connects to those very addresses only."""

    url: httpx2.URL
    deadline: _Deadline
    allow_loopback: bool

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        found = _look_up(host, port, self.deadline)
        for _, address, _ in found:
            self._judge(address)
        found = found[:DIALLED_AT_MOST]
        for position, (family, _, target) in enumerate(found):
            # A silent first address must leave time for the others.
            patience = self.deadline.remaining() / (len(found) - position)
            try:
                return self._dial(family, target, patience)
            except OSError as error:
                last = error
        if isinstance(last, TimeoutError):
            raise OutboundError("timeout", f"{host} did not accept a connection in time.")
        raise OutboundError("unreachable", f"No connection to {host} could be made: {last.strerror or last}.")

    def _judge(self, address: Address) -> None:
        if self.allow_loopback and _is_loopback(address):
            return
        if not is_public(address):
            raise OutboundError("refused_address", f"{self.deadline.host} is at {address}, which is not public.")
        if self.url.scheme != "https":
            raise OutboundError("bad_url", "The address must start with https://.")
        _check_port(self.url)

    def _dial(self, family: int, target: tuple[Any, ...], seconds: float) -> _Stream:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            sock.connect(target)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return _Stream(sock, self.deadline)


@functools.cache
def _trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def _headers(url: httpx2.URL, given: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, value in given.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value) or name.lower() in OWN_HEADERS:
            raise OutboundError("protocol", "A header of the request has a name or value that cannot be sent.")
    own = {"Host": url.netloc.decode("ascii"), "Connection": "close", "Accept-Encoding": "identity"}
    return [*own.items(), *given.items()]


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allow_loopback: bool,
    deadline_seconds: float = 10.0,
    not_after: float = math.inf,
    max_bytes: int = 65536,
) -> Answer:
    """Sends one POST and returns the answer, with a body cut at `max_bytes` bytes (the connection is then closed).

    `deadline_seconds` spans everything from the look-up of the name to the last byte read; after `not_after`, a moment
    of `time.monotonic()`, nothing is sent or read either. With `allow_loopback` 127.0.0.0/8 and ::1 are allowed as
    well, there also over http and on any port. Safe to call from many threads.
    Raises OutboundError and nothing else for whatever the address or the server behind it does.
    """
    target = check_url(url, allow_loopback=allow_loopback)
    host = target.raw_host.decode("ascii").rstrip(".")
    deadline = _Deadline(min(time.monotonic() + deadline_seconds, not_after), host)
    core_url = httpcore2.URL(scheme=target.raw_scheme, host=host, port=_port(target), target=target.raw_path)
    connection = httpcore2.HTTPConnection(
        core_url.origin,
        ssl_context=_trust() if target.scheme == "https" else None,
        network_backend=_Guard(target, deadline, allow_loopback),
    )
    taken = bytearray()
    sent = _headers(target, headers)
    try:
        deadline.remaining()
        with connection, connection.stream("POST", core_url, headers=sent, content=body) as response:
            for chunk in response.iter_stream():
                taken += chunk
                if len(taken) >= max_bytes:
                    break
            return Answer(response.status, bytes(taken[:max_bytes]), _encoding(response.headers))
    except OutboundError as error:
        trouble = error
    except (httpcore2.ProtocolError, httpcore2.NetworkError):
        # The library's own words quote what the server sent, at any length.
        trouble = OutboundError("protocol", f"{host} did not answer in proper HTTP.")
    except OSError as error:
        trouble = OutboundError("unreachable", f"The connection to {host} broke: {error.strerror or error}.")
    trouble.sent = deadline.sent
    raise trouble from None


def _encoding(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return ",".join(value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding")
