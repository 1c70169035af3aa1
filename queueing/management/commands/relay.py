"""`manage.py relay`: the outbox's relay alone, for large installations; without a broker with a pool of its own."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from queueing.broker import Broker
from queueing.embedded import Embedded
from queueing.relay import Relay


class Command(BaseCommand):
    help = "Publishes due work to BROKER_URL; without one, does it in threads of its own. Ends on SIGTERM or SIGINT."

    def handle(self, **options: Any) -> None:
        asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, frame: asked.set())
        relay: Relay | Embedded
        if settings.BROKER_URL:
            relay = Relay(Broker("publishing to the broker").publish, threads=0)
            said = "Publishing what is due to RabbitMQ"
        else:
            # Others may be at work on the same database, so what they have in hand is theirs.
            relay = Embedded(alone=False)
            said = "No BROKER_URL: doing what is due in threads of this process"
        relay.start()
        self.stderr.write(f"{said}; Ctrl-C ends it.")
        asked.wait()
        relay.stop()
