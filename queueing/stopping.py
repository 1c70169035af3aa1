"""SIGINT, SIGTERM and SIGHUP end the demo in good order: once, from wherever it is, and without a word too many."""

from __future__ import annotations

import contextlib
import logging
import signal
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
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def check(self) -> None:
        if self.asked:
            raise Stop

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end is asked for; then raises Stop."""
        self._asked.wait(seconds)
        self.check()

    def ignore_further(self) -> None:
        """From now on we are winding down; a second Ctrl-C must not tear that apart."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Raise Stop in the main thread at the first signal, and keep everybody quiet from then on."""

        def end(number: int, frame: object) -> None:
            self.ignore_further()
            self._asked.set()
            raise Stop

        for number in SIGNALS:
            signal.signal(number, end)
        _quiet_when(self)
        with contextlib.suppress(Stop):
            yield


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
