"""`manage.py demo` for the tests (a pytest plugin of the modules that need it): real processes with a home each.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.people import until

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "url",
    "api_url",
    "console_url",
    "admin_url",
    "docs_url",
    "forum_url",
    "api_key",
    "webhook_secret",
    "users",
    "database",
    "broker",
    "analyst",
}
APPEALS = ("The appeal was granted.", "The appeal was denied.", "A second moderator looks at it.")
FIRST_START_SECONDS = 60
SECOND_START_SECONDS = 3
STOP_SECONDS = 5
NOISE = re.compile(r"Traceback|WARNING|ERROR|Exception")


def environment(home: Path, **more: str) -> dict[str, str]:
    """A clean one: this process's own is the test suite's."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GUARDIAN_HOME": str(home), "LANG": "C.UTF-8", **more}


def manage(home: Path, *arguments: str, project: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """A command to its end, in a session of its own and without a terminal."""
    return subprocess.run(
        [sys.executable, str(project / "manage.py"), *arguments],
        env=environment(home, **more),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )


@dataclass
class Demo:
    """A running demo."""

    popen: subprocess.Popen[str]
    said: dict[str, Any]
    errors: Path
    seconds: float
    rest: str = ""
    pids: set[int] = field(default_factory=set)

    def get(self, url: str, *, key: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.said["api_url"] + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.said['api_key']}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def cases(self) -> list[dict[str, Any]]:
        return json.loads(self.get(f"{self.said['api_url']}cases/?limit=200", key=self.said["api_key"])[1])["results"]

    def family(self) -> set[int]:
        """Everything in its process group, and everything it started."""
        mine = psutil.Process(self.popen.pid)
        group = {p.pid for p in psutil.process_iter() if _group_of(p.pid) == self.popen.pid}
        return group | {child.pid for child in mine.children(recursive=True)}

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> float:
        """Seconds until it has ended; nothing of it may be left then, nor may it have complained."""
        family = self.family()
        began = time.monotonic()
        (os.killpg if group else os.kill)(self.popen.pid, number)
        code = self.popen.wait(20)
        seconds = time.monotonic() - began
        assert code == (130 if number == signal.SIGINT else 0), self.errors.read_text()
        until(lambda: [pid for pid in family if lives(pid)], lambda left: not left, 2)
        assert self.popen.stdout is not None
        self.rest = self.popen.stdout.read()
        assert not NOISE.search(self.errors.read_text()), self.errors.read_text()
        return seconds

    def kill(self, *, group: bool) -> None:
        (os.killpg if group else os.kill)(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


def start(home: Path, *arguments: str, project: Path = ROOT, **more: str) -> Demo:
    """Until its line of JSON is there."""
    errors = home / "errors.txt"
    began = time.monotonic()
    with open(errors, "w") as output:
        popen = subprocess.Popen(
            [sys.executable, str(project / "manage.py"), "demo", "--json", *arguments],
            env=environment(home, **more),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    assert popen.stdout is not None
    line = popen.stdout.readline()
    seconds = time.monotonic() - began
    if not line:
        popen.wait(20)
        pytest.fail(f"the demo did not start:\n{errors.read_text()}")
    return Demo(popen, json.loads(line), errors, seconds)


@contextlib.contextmanager
def running(home: Path, *arguments: str, **more: Any) -> Iterator[Demo]:
    demo = start(home, *arguments, **more)
    try:
        yield demo
    finally:
        if demo.popen.poll() is None:
            demo.kill(group=True)
        if demo.popen.stdout is not None:
            demo.popen.stdout.close()


@contextlib.contextmanager
def a_home(prefix: str = "guardian-demo-") -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield home
    finally:
        EmbeddedPostgres(DataDir(home)).stop()
        cluster = (home / "pg18").resolve()
        if cluster.parent == SHARED:
            shutil.rmtree(cluster, ignore_errors=True)
        shutil.rmtree(DataDir(home).socket_dir, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def lived_in() -> Iterator[tuple[Path, Demo, float]]:
    """A data directory after its first start and its first end; the start itself, and how long the end took."""
    with a_home() as home, running(home) as demo:
        cases = demo.cases()
        demo.said["cases"] = cases
        demo.said["forum_page"] = demo.get(demo.said["forum_url"])
        appealed = [case["content_id"] for case in cases if case["appeals"]]
        # Notices have no order and keep nobody waiting: the forum may hear of the last answer after the demo is ready.
        demo.said["appealed_pages"] = until(
            lambda: [demo.get(f"{demo.said['forum_url']}posts/{post}/")[1] for post in appealed],
            lambda pages: all(words in " ".join(pages) for words in APPEALS),
        )
        yield home, demo, demo.stop()


@pytest.fixture
def home(lived_in: tuple[Path, Demo, float]) -> Path:
    return lived_in[0]


def at_leisure() -> float:
    """How much longer than on a machine with nothing else to do things may take now; 1 there."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) * 1.1


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
