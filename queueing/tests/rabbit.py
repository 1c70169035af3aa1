"""RabbitMQ for the tests (a pytest plugin of the modules that need it): nodes of our own on loopback.

A node has its own home, cookie, directories, ports and epmd, so it runs as whatever user and beside whatever broker the
machine has. It is ready when it speaks AMQP: `rabbitmqctl` would cost a second of processor at every look.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation.tests.installing import provide

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin insists on root or `rabbitmq`
PATIENCE = 60


class Node:
    """One RabbitMQ node. It keeps its port and its data from one start to the next."""

    def __init__(self, name: str = "guardian") -> None:
        self.name = name
        self.home = Path(tempfile.mkdtemp(prefix="guardian-rabbit-"))
        self.port, self._distribution, self._epmd_port = free_port(), free_port(), free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        cookie = self.home / ".erlang.cookie"
        cookie.write_text("GUARDIANTESTS")
        cookie.chmod(0o400)
        (self.home / "enabled_plugins").write_text("[].")
        (self.home / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 50MB\nlog.file.level = warning\n"
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self, *, wait: bool = True) -> None:
        if self._epmd is None or self._epmd.poll() is not None:
            # As our own child: the node would start one as a daemon that outlives the tests.
            self._epmd = self._run([_epmd(), "-address", "127.0.0.1", "-port", str(self._epmd_port)])
        self._server = self._run([str(SERVER)])
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it speaks AMQP; fails with the end of its log."""
        deadline = time.monotonic() + PATIENCE
        while not self._speaks():
            assert self._server is not None, "the node was never started"
            if self._server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"RabbitMQ did not start:\n{self._last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a service manager does."""
        if self._server is not None and self._server.poll() is None:
            os.killpg(self._server.pid, signal.SIGTERM)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._server = None

    def kill(self) -> None:
        """kill -9, at once."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
        self._server = None

    def control(self, *words: str) -> None:
        """`rabbitmqctl`: a second of processor at every call."""
        done = self._run([str(SERVER.with_name("rabbitmqctl")), *words])
        assert done.wait(60) == 0, self._last_words()

    def permit(self, pattern: str = ".*") -> None:
        """What the house's user may configure, write and read; `^$`: nothing."""
        self.control("set_permissions", "guest", pattern, pattern, pattern)

    def remove(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"{self.name}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self.home / "erl_crash.dump"),
        }
        with open(self.home / "output.log", "ab") as output:
            return subprocess.Popen(
                command,
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _speaks(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"  # a method frame: Connection.Start
        except OSError:
            return False

    def _last_words(self) -> str:
        logs = [self.home / "output.log", *sorted((self.home / "log").glob("*.log"))]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())


@contextlib.contextmanager
def node(name: str = "guardian") -> Iterator[Node]:
    """Another node, for a test that means to hurt it."""
    made = Node(name)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def rabbitmq() -> None:
    """There is a RabbitMQ on this machine, or it has just been installed."""
    provide("rabbitmq-server", lambda: str(SERVER) if SERVER.exists() else "")


@pytest.fixture(scope="session")
def broker(rabbitmq: None) -> Iterator[Node]:
    """The node all tests share that only use it; its `url` is the BROKER_URL."""
    with node() as running:
        yield running


def free_port() -> int:
    """A port of loopback, below those the kernel gives to clients: never the same one twice, and nobody else's."""
    return next(_ports)


def _own_ports() -> Iterator[int]:
    """Other test processes of this machine draw from the same range, and a port is not always in use while it is
    somebody's: so each process holds the first port of every hundred it draws from, for as long as it lives."""
    for hundred in range(20_000, 32_000, 100):
        claim = socket.socket()
        with contextlib.suppress(OSError):
            claim.bind(("127.0.0.1", hundred))
            _claims.append(claim)
            for port in range(hundred + 1, hundred + 100):
                with socket.socket() as probe, contextlib.suppress(OSError):
                    probe.bind(("127.0.0.1", port))
                    probe.close()
                    yield port
    raise AssertionError("no port is free")


_claims: list[socket.socket] = []
_ports = _own_ports()


def _epmd() -> str:
    found = shutil.which("epmd") or next((str(path) for path in Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), "")
    assert found, "RabbitMQ is installed without Erlang's epmd"
    return found
