"""Celery's own loop, which takes the messages: it too outlives every error, and tells only how it stands.

Celery retries lost connections but ends at a refusal (`broker_channel_error_retry` mends that), and it tells every try.
"""

from __future__ import annotations

import logging

from moderation.standing import Standing

TAKING = Standing("taking messages from the broker")
"""Its failures come from Celery's log, its recovery from the first task that runs."""


class BrokerError(Exception):
    """What Celery's consumer said about its broker."""


class OncePerOutage(logging.Filter):
    """Of what Celery's consumer says of an outage only that it began; nothing of each try until it is over."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return not TAKING.fails
        TAKING.failed(BrokerError(record.getMessage()), expected=True)
        return False


def speak_once() -> None:
    """One line for an outage; none for each message that arrives and each that is done: the rows tell that."""
    for name in ("consumer", "connection", "tasks"):
        logging.getLogger(f"celery.worker.consumer.{name}").addFilter(OncePerOutage())
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What Celery 6 will do with running tasks when the connection is lost, told at every loss.
    logging.getLogger("py.warnings").addFilter(lambda record: "CPendingDeprecationWarning" not in record.getMessage())
