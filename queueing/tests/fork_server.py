"""A process that has the libraries in memory and forks itself into whatever process a test starts next.

To import Django, Celery and LangGraph costs a second and a half of processor, and the suite starts some ninety
processes. Nothing of Guardian's own is imported here and no settings are read: the fork does that itself, from its own
environment, as an installation's process does. It has one thread and no connections, so there is nothing a fork could
inherit half-done.

The upper half is the tests' side; run as a script it is the server, which speaks JSON lines.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    "celery.bin.worker",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.worker.components",
    "celery.worker.consumer",
    "dj_database_url",
    "django.contrib.postgres.fields",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.migrations.loader",
    "django.db.models",
    "django.middleware.csrf",
    "environs",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "httpx2",
    "kombu.transport.pyamqp",
    "langgraph.checkpoint.postgres",
    "langgraph.graph",
    "langsmith",
    "psycopg_pool",
    "standardwebhooks",
    "uuid_utils",
)


class Forked:
    """A process the server has forked, as `subprocess.Popen` would show it; it leads a process group of its own."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """Started by the first process that is wanted; ends, with all it has forked, when this process does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def start(self, what: dict[str, Any], environment: dict[str, str], log: Path) -> Forked:
        """`what`: {"module": a name, "argv": its arguments}, or {"code": Python, "argv": …}; output ends `log`."""
        log.touch(0o600)
        return Forked(self, self.ask({**what, "environment": environment, "log": str(log)}))

    def ask(self, question: dict[str, Any]) -> Any:
        with self._lock:
            if self._server is None:
                self._server = subprocess.Popen(
                    [sys.executable, __file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                    env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"},
                )
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.stdin.write(json.dumps(question) + "\n")
            self._server.stdin.flush()
            return json.loads(self._server.stdout.readline())


FORK_SERVER = ForkServer()


# --- the server --------------------------------------------------------------------------------------------------


def serve() -> dict[str, Any]:
    """Fork at each order. Only the fork returns, with the order it is to become; the server itself ends here."""
    codes: dict[int, int | None] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            answer = codes[order["poll"]] = _code(order["poll"], codes)
        else:
            pid = os.fork()
            if pid == 0:
                return order
            # Both sides do this: whoever is told the number may kill the group at once.
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            answer, codes[pid] = pid, None
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer
    for pid, code in codes.items():
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    os._exit(0)


def _code(pid: int, codes: dict[int, int | None]) -> int | None:
    if codes[pid] is not None:
        return codes[pid]
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def become(order: dict[str, Any]) -> None:
    """Run as the process that was ordered: its environment, directory, output, arguments and process group."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, max(nothing, output) + 1)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(ROOT)
    if "module" in order:
        sys.argv = [order["module"], *order["argv"]]
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *order["argv"]]
        exec(order["code"], {"__name__": "__main__"})  # noqa: S102 - our own


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for _name in LIBRARIES:
        importlib.import_module(_name)
    gc.freeze()
    become(serve())
