"""A breaker per model: a provider that is down is not asked again for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FAILURES = 5
"""Outages in a row (5xx, timeouts, no connection) after which a model rests."""
REST_SECONDS = 30.0
"""How long it rests; then one call is let through to see."""


class Breaker:
    """Closed until FAILURES outages in a row; then open for REST_SECONDS; then one call decides.

    Only outages count: a bad answer, a 400 or a rate limit says that the provider is there. Thread-safe; per process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again = 0.0

    def lets_through(self) -> bool:
        """May the model be asked now? After a rest this answers True to one caller per rest."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = self._clock()
            if now < self._closed_again:
                return False
            self._closed_again = now + REST_SECONDS
            return True

    def outage(self) -> None:
        """The provider did not answer, or answered 5xx."""
        with self._lock:
            self._failures += 1
            self._closed_again = self._clock() + REST_SECONDS

    def answered(self) -> None:
        """The provider is there, whatever it said."""
        with self._lock:
            self._failures = 0
