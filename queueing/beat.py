"""`celery -A queueing beat`: the fixed schedule, sent as the relay sends, so that no error of the broker's outlives its
cause, and each is said once."""

from __future__ import annotations

from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from django.conf import settings

from queueing.broker import Broker


class Beat(Scheduler):
    """In memory: every job is safe to run twice, so there is nothing to remember."""

    producer = None  # the Broker's; Celery's own waits for ever in the middle of a tick, and says so at every try

    def __init__(self, *args: Any, **options: Any) -> None:
        if not settings.BROKER_URL:
            raise SystemExit(
                "BROKER_URL is not set: beat needs RabbitMQ. Without one, `manage.py demo` and `manage.py relay` keep"
                " the schedule themselves."
            )
        self._broker = Broker("sending the periodic jobs")
        super().__init__(*args, **options)

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        """Send what is due; what cannot be sent is due again soon enough."""
        self._broker.send(self.app.tasks[entry.task], *entry.args, **entry.options)

    def close(self) -> None:
        self._broker.close()
