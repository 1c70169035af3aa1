"""Every worker process carries a relay thread, started when it is ready and stopped when it shuts down."""

from __future__ import annotations

from celery import signals

from queueing.broker import Broker
from queueing.celery import app
from queueing.relay import Relay

_relays: list[Relay] = []


@signals.worker_ready.connect
def start_relay(sender: object = None, **_: object) -> None:
    threads = getattr(getattr(sender, "controller", None), "concurrency", None) or app.conf.worker_concurrency
    relay = Relay(Broker("publishing to the broker").publish, threads=threads)
    _relays.append(relay)
    relay.start()


@signals.worker_shutting_down.connect
def stop_relay(**_: object) -> None:
    while _relays:
        _relays.pop().stop()
