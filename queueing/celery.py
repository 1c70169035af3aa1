"""The Celery app: lanes as quorum queues, late acknowledgement, no results, one fixed schedule.

Every setting stands in for a measured failure: without `task_reject_on_worker_lost` a killed worker's task is lost
without a trace; without confirms a broker that is killed loses what it had accepted; without timeouts a mute broker
holds the publisher for seconds. Messages carry an id and nothing else, so losing or doubling one is harmless: the row
is offered again, and every task may run twice.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moderation.settings")

from celery import Celery, bootsteps, signals
from django.conf import settings
from kombu import Exchange, Queue

from queueing.consumer import speak_once

LANES = ("high", "normal", "low")
THREADS = 8
SCHEDULE: dict[str, float] = {
    "feed": 1,
    "seal": 2,
    "probe": 5,
    "reopen": 15,
    "settle": 15,
    "expire": 60,
    "give-up": 300,
    "deactivated": 15,
    "forget-answers": 3600,
    "forget-logins": 3600,
    "forget-workers": 3600,
}
"""Every how many seconds each job of moderation.services.chores runs."""
_exchange = Exchange("guardian", type="topic", durable=True)
_dead_exchange = Exchange("guardian.dead", type="topic", durable=True)
_lane_arguments = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 3,
    "x-dead-letter-exchange": _dead_exchange.name,
    "x-dead-letter-routing-key": "dead",
}
DEAD = Queue("guardian.dead", _dead_exchange, routing_key="dead", queue_arguments={"x-queue-type": "quorum"})

app = Celery("guardian", broker=settings.BROKER_URL or None)
app.conf.update(
    task_queues=[
        Queue(f"guardian.{lane}", _exchange, routing_key=lane, queue_arguments=dict(_lane_arguments)) for lane in LANES
    ],
    task_default_queue="guardian.normal",
    task_default_exchange=_exchange.name,
    task_default_exchange_type="topic",
    task_default_routing_key="normal",
    task_create_missing_queues=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    # Threads: nearly all of the time is spent waiting for a model, an endpoint or the database; a thread costs a
    # fourteenth of the memory of a process, and no connection has to survive a fork. Every wait has its own timeout.
    worker_pool="threads",
    worker_concurrency=THREADS,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    # Its queue is exclusive and named after the machine: a second worker on it, or one that starts again before the
    # broker has missed its predecessor, would end with RESOURCE_LOCKED. Everything it tells stands in our own tables.
    worker_enable_remote_control=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # A permission that is taken or a queue that is gone is an outage like any other, and never ends a worker.
    broker_channel_error_retry=True,
    broker_connection_timeout=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_heartbeat=10,
    broker_transport_options={
        "confirm_publish": True,
        "connect_timeout": 1,
        "read_timeout": 2,
        "write_timeout": 2,
    },
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1},
    beat_scheduler="queueing.beat:Beat",
    beat_schedule={
        name: {
            "task": "periodic",
            "schedule": seconds,
            "args": (name,),
            "options": {"queue": "guardian.normal", "expires": max(5, seconds)},
        }
        for name, seconds in SCHEDULE.items()
    },
    imports=["queueing.tasks", "queueing.worker_relay"],
)


speak_once()


class DeclareDeadLetters(bootsteps.StartStopStep):
    """The queue of messages that killed their worker too often: declared at every connection, before any lane can
    need it. A worker does not consume it; `manage.py doctor` counts it."""

    requires = {"celery.worker.consumer.connection:Connection"}

    def start(self, consumer: object) -> None:
        with consumer.connection.channel() as channel:  # type: ignore[attr-defined]
            DEAD(channel).declare()


app.steps["consumer"].add(DeclareDeadLetters)


@signals.celeryd_init.connect
@signals.beat_init.connect
def refuse_without_broker(**_: object) -> None:
    if not settings.BROKER_URL:
        raise SystemExit("BROKER_URL is not set: this needs RabbitMQ. Without one, `manage.py demo` needs none.")
    if settings.EMBEDDED:
        logging.getLogger(__name__).warning(settings.EMBEDDED)
