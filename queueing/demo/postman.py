"""Who carries the demo's work: this process, or, with BROKER_URL, a real worker and its beat as children of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from moderation.standalone.signals import held_back
from queueing.celery import app
from queueing.embedded import Embedded

LOG = "worker.log"
PATIENCE_SECONDS = 1.5
CONNECT_SECONDS = 3
# A child whose parent is killed gets SIGTERM from the kernel; otherwise a kill -9 of the demo would leave it working.
# prctl(PR_SET_PDEATHSIG) outlives the exec.
_TIED = (
    "import os, sys, ctypes\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 15)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def masked_broker() -> str | None:
    """BROKER_URL for showing: its password is not there."""
    if not settings.BROKER_URL:
        return None
    return str(app.connection_for_read().as_uri(include_password=False))


@contextlib.contextmanager
def at_work() -> Iterator[Embedded | Children]:
    """Have the outbox worked off while the block runs."""
    postman: Embedded | Children = Children() if settings.BROKER_URL else Embedded()
    try:
        postman.start()
        yield postman
    finally:
        postman.stop()


class Children:
    """`celery worker` and `celery beat` in our process group; what they say goes to the data directory's worker.log."""

    def __init__(self) -> None:
        self.log = settings.DATA_DIR.path / LOG
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Raises CommandError, in one sentence, when the broker does not answer."""
        with app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
            try:
                connection.connect()
            except Exception as error:
                raise CommandError(
                    f"RabbitMQ at {masked_broker()} does not answer ({error}): start it, or unset BROKER_URL."
                ) from error
        self._run("worker", "worker", "--loglevel", "WARNING")
        self._run("beat", "beat", "--loglevel", "WARNING", "--pidfile=")

    def check(self) -> None:
        """Raises CommandError when a child has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise CommandError(f"The {name} ended by itself (exit code {child.returncode}); see {self.log}.")

    def stop(self) -> None:
        """End them within two seconds; what they had in hand is offered again at the next start."""
        for child in self._children.values():
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _run(self, name: str, *arguments: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "the kernel ties a child to the thread that started it: start children from the main one"
            )
        output = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with held_back():
                self._children[name] = subprocess.Popen(
                    [sys.executable, "-c", _TIED, "-m", "celery", "-q", "-A", "queueing", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=Path(settings.BASE_DIR),
                    env={**os.environ, "GUARDIAN_HOME": str(settings.DATA_DIR.path), "BROKER_URL": settings.BROKER_URL},
                )
        finally:
            os.close(output)
