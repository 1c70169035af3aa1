"""SIGINT, SIGTERM and SIGHUP end the demo in good order: once, from wherever it is, and without a word too many."""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]

from moderation.standalone.signals import ENDING

INTERRUPTED = 130
"""The exit code after a Ctrl-C; after SIGTERM or SIGHUP it is 0."""


class Stop(BaseException):
    """Somebody asked for the end. Not an Exception, so that no handler of errors on the way takes it for one."""


class Stopping:
    """Whether the end was asked for. `check` raises Stop then, should the signal's own have been swallowed (an
    exception raised while an object is finalised is)."""

    def __init__(self) -> None:
        self.asked = False
        self._received: int | None = None

    @property
    def code(self) -> int | None:
        """The exit code, if a signal asked for the end."""
        if self._received is None:
            return None
        return INTERRUPTED if self._received == signal.SIGINT else 0

    def check(self) -> None:
        if self.asked:
            raise Stop

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end is asked for; then raises Stop."""
        # Not a threading.Event: a signal that the kernel gives to another thread does not wake the main one from it.
        select.select([self._woken], [], [], seconds)
        self.check()

    def _is_asked_within(self, seconds: float) -> bool:
        with contextlib.suppress(Stop):
            if self._received is None and not self.asked:
                self.wait(seconds)
        return self._received is not None

    def wind_down(self) -> None:
        """From now on everything is being ended: a second Ctrl-C must not tear that apart, and nobody complains."""
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        self.asked = True

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Raise Stop in the main thread at the first signal, and keep everybody quiet from then on. Nothing that is
        raised because of it leaves the block."""

        def end(number: int, frame: object) -> None:
            self._received = number
            self.wind_down()
            raise Stop

        self._woken, wakes = socket.socketpair()
        wakes.settimeout(0)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, end)
        _quiet_when(self)
        try:
            yield
        except BaseException:
            # Whoever was torn from his work may have complained of something else on the way out; and a terminal's
            # Ctrl-C may have ended PostgreSQL, and with it our work, before we came to hear of it.
            if not self._is_asked_within(0.1):
                raise
        finally:
            self.wind_down()
            signal.set_wakeup_fd(-1)
            wakes.close()


def _quiet_when(stopping: Stopping) -> None:
    """A terminal's Ctrl-C reaches PostgreSQL at the same moment as us, so its clients may complain before we know why:
    whatever is logged waits a tenth of a second, and is dropped if the end was asked for."""

    def still_wanted(record: logging.LogRecord) -> bool:
        if not stopping.asked:
            time.sleep(0.1)
        return not stopping.asked

    for handler in logging.getLogger().handlers:
        handler.addFilter(still_wanted)
    speak = threading.excepthook

    def speak_unless_stopping(args: threading.ExceptHookArgs) -> None:
        time.sleep(0.1)
        if not stopping.asked:
            speak(args)

    threading.excepthook = speak_unless_stopping


def end_children() -> None:
    """The net below everything else: whatever the end was asked in the midst of, no process of ours outlives us."""
    left = psutil.Process().children(recursive=True)
    for number, patience in ((signal.SIGINT, 1.0), (signal.SIGQUIT, 0.5), (signal.SIGKILL, 0.5)):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _ended, left = psutil.wait_procs(left, timeout=patience)
        if not left:
            return
