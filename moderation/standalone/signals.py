"""Signals whose handlers raise, kept away from the moments in which something would be lost by that."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """A child begun here is always known to its parent: the end that is asked for meanwhile comes afterwards.

    Handlers, not a mask: a mask would be inherited by the child, and Python runs handlers whatever thread was hit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in handlers.items():
        if callable(handler):  # what is ignored, or ends the process at once, stays so
            signal.signal(number, lambda received, frame: came.append(received))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if not callable(handler):
                continue
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
