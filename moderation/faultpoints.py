"""Where the tests may kill this process: named places beside every commit, dead code outside a test.

    GUARDIAN_TESTING=1 GUARDIAN_FAULTPOINT=resume.orders_planned                    the first time it is reached
    GUARDIAN_TESTING=1 GUARDIAN_FAULTPOINT=analysis.in_fence:3                      the third time
    GUARDIAN_TESTING=1 GUARDIAN_FAULTPOINT=deliver.sent:once-file=/tmp/died         only while that file does not exist
    GUARDIAN_TESTING=1 GUARDIAN_FAULTPOINT=deliver.taken:stop                       stopped there, as by SIGSTOP

Read once, when the process starts. Without GUARDIAN_TESTING=1 a fault point in the environment is ignored.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class _Point:
    """One place to die at, `left` arrivals from now. `once_file`: created just before dying; where it exists, live.
    `by`: the signal; what SIGSTOP stops goes on where it stood."""

    left: int = 1
    by: signal.Signals = signal.SIGKILL
    once_file: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arrive(self) -> None:
        with self.lock:
            self.left -= 1
            if self.left != 0:
                return
            if self.once_file:
                try:
                    os.close(os.open(self.once_file, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    return
            os.kill(os.getpid(), self.by)


def _armed(environ: Mapping[str, str]) -> dict[str, _Point]:
    if environ.get("GUARDIAN_TESTING") != "1":
        return {}
    name, _, how = environ.get("GUARDIAN_FAULTPOINT", "").partition(":")
    if how == "stop":
        return {name: _Point(by=signal.SIGSTOP)}
    if how.startswith("once-file="):
        return {name: _Point(once_file=how.removeprefix("once-file="))}
    return {name: _Point(left=int(how) if how else 1)} if name else {}


_points = _armed(os.environ)


def reach(name: str) -> None:
    """Die here, as by kill -9, or stand still, if a test asked for it."""
    point = _points.get(name)
    if point is not None:
        point.arrive()
