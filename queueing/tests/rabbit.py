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

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin insists on root or `rabbitmq`
MEND = "apt-get install -y --no-install-recommends rabbitmq-server"
PATIENCE = 60
_used_ports: set[int] = set()


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
def rabbitmq(request: pytest.FixtureRequest) -> None:
    """There is a RabbitMQ on this machine, or it has just been installed; else the test is skipped (with CI: fails)."""
    if SERVER.exists():
        return
    why = "RabbitMQ is not installed"
    become_root = _become_root()
    if become_root is not None and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        request.config.get_terminal_writer().line("\nRabbitMQ is missing: installing it with apt-get.")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update -q", MEND):
            done = subprocess.run(
                [*become_root, *command.split()], env=environment, capture_output=True, check=False, timeout=600
            )
        if SERVER.exists():
            return
        why = f"RabbitMQ could not be installed: {done.stderr.decode(errors='replace').strip()[-300:]}"
    sentence = f"{why}; this mends it: sudo {MEND}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def broker(rabbitmq: None) -> Iterator[Node]:
    """The node all tests share that only use it; its `url` is the BROKER_URL."""
    with node() as running:
        yield running


def free_port() -> int:
    """A port of loopback nobody listens on, below those the kernel gives to clients, and never the same one twice."""
    for port in range(20_000 + os.getpid() % 2_000 * 4, 32_000):
        if port in _used_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _used_ports.add(port)
            return port
    raise AssertionError("no port is free")


def _become_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return sudo
    return None


def _epmd() -> str:
    found = shutil.which("epmd") or next((str(path) for path in Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), "")
    assert found, "RabbitMQ is installed without Erlang's epmd"
    return found
