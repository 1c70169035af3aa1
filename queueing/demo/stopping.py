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

SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


class Stop(BaseException):
    """Somebody asked for the end. Not an Exception, so that no handler of errors on the way takes it for one."""


class Stopping:
    """Whether the end was asked for. `check` raises Stop then, should the signal's own have been swallowed (an
    exception raised while an object is finalised is)."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        if self.asked:
            raise Stop

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end is asked for; then raises Stop."""
        # Not a threading.Event: a signal that the kernel gives to another thread does not wake the main one from it.
        select.select([self._woken], [], [], seconds)
        self.check()

    def wind_down(self) -> None:
        """From now on everything is being ended: a second Ctrl-C must not tear that apart, and nobody complains."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.asked = True

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Raise Stop in the main thread at the first signal, and keep everybody quiet from then on."""

        def end(number: int, frame: object) -> None:
            self.wind_down()
            raise Stop

        self._woken, wakes = socket.socketpair()
        wakes.settimeout(0)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, end)
        _quiet_when(self)
        try:
            yield
        except Stop:
            pass
        finally:
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
