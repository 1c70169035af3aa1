"""Publishing to RabbitMQ, with confirms, on a connection of its own; after any error everything is declared anew.

What is gone is found out only by publishing: a deleted exchange closes the channel, and a message that no queue takes
(its queue was deleted) is confirmed all the same unless it is `mandatory`, and then comes back.
"""

from __future__ import annotations

from typing import Any

from celery import Task
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from moderation.services.post.outbox import Offer
from moderation.standing import Standing
from queueing.celery import app
from queueing.tasks import TASK_OF

BROKER_ERRORS = (*Connection("amqp://").connection_errors, *Connection("amqp://").channel_errors, KombuError)
"""What the broker and the way to it may bring: told in one line. Anything else is a mistake of ours."""


class Broker:
    """One thread's connection. Everything it declares, it declares once per connection."""

    def __init__(self, what: str) -> None:
        self._standing = Standing(what)
        self._producer: Producer | None = None

    def send(self, task: Task, argument: str, queue: str, **options: Any) -> bool:
        """Publish, and wait for the confirm. False, said once, if it did not come; then the message counts as not
        sent, though it may have been."""
        try:
            if self._producer is None:
                self._producer = app.amqp.Producer(app.connection_for_write(), auto_declare=False)
            task.apply_async((argument,), producer=self._producer, queue=queue, mandatory=True, **options)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try begins with a new connection
            self._standing.failed(error, expected=isinstance(error, BROKER_ERRORS))
            self.close()
            return False
        self._standing.works()
        return True

    def publish(self, offer: Offer) -> bool:
        """The relay's ending where there is a broker: the row's id, and nothing else."""
        return self.send(TASK_OF[offer.kind], str(offer.id), f"guardian.{offer.lane}")

    def close(self) -> None:
        """Forget the connection, and with it what was declared on it."""
        producer, self._producer = self._producer, None
        if producer is not None and producer.connection is not None:
            producer.connection.collect()
