"""Ctrl-C at any moment: the demo ends cleanly with code 130, nothing of it is left, and the next start goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from moderation.standalone.postgres import STOP_PATIENCE
from queueing.tests.demo import NOISE, ROOT, Demo, a_home, environment, running

pytest_plugins = ["queueing.tests.rabbit", "queueing.tests.demo"]
MOMENTS = 6
END_SECONDS = sum(patience for _, patience in STOP_PATIENCE) + 2
BEGUN_SECONDS = 0.1
"""Before that there is only the interpreter, which has not come to our first line."""


def interrupt(home: Path, seconds: float, *, group: bool) -> None:
    """A start that is interrupted after so long, as a terminal does it (`group`) or as `kill -INT` does."""
    moment = f"interrupted after {seconds:.2f} s, {'the group' if group else 'the process'}"
    errors = home / "errors.txt"
    with open(errors, "w") as output:
        demo = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "demo", "--json"],
            env=environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            demo.wait(seconds)
        began = time.monotonic()
        (os.killpg if group else os.kill)(demo.pid, signal.SIGINT)
        assert demo.wait(30) == 130, f"{moment}: {errors.read_text()}"
        assert time.monotonic() - began < END_SECONDS, moment
        assert not NOISE.search(errors.read_text()), f"{moment}: {errors.read_text()}"
        assert _group(demo.pid) == [], moment
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()


def _group(leader: int) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def moments(whole: float) -> list[float]:
    """One at random in each part of the time a start takes, the rest of it included in which it serves."""
    part = (whole - BEGUN_SECONDS) / MOMENTS
    return [BEGUN_SECONDS + part * (number + random.random()) for number in range(MOMENTS)]


def test_a_first_start_may_be_interrupted_at_any_moment_and_the_next_one_goes_on(
    lived_in: tuple[Path, Demo, float],
) -> None:
    with a_home() as home:
        # Each goes on where the one before was cut short, so a part of the time comes through all of it.
        for number, seconds in enumerate(moments(lived_in[1].seconds * 0.4)):
            interrupt(home, seconds, group=number % 2 == 0)
        with running(home) as demo:
            assert len(demo.cases()) >= 55
            demo.stop()


def test_a_later_start_may_be_interrupted_at_any_moment_too(home: Path) -> None:
    with running(home) as measure:
        measure.stop()
    for number, seconds in enumerate(moments(measure.seconds)):
        interrupt(home, seconds, group=number % 2 == 1)
    with running(home) as demo:
        demo.stop(signal.SIGINT)
