"""An outage is a change of state: every process says once that it began and once that it is over."""

from __future__ import annotations

import threading

from django.db import connection

from moderation.tests.people import RUDE, app, until
from moderation.tests.platform import Platform
from queueing.tests.deliveries import expire_leases, wait_for_all
from queueing.tests.own_postgres import OwnPostgres
from queueing.tests.processes import empty_lanes, house
from queueing.tests.rabbit import Node

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes", "queueing.tests.own_postgres")
HANDFUL = 6
OUTAGE_SECONDS = 6


def test_a_short_outage_of_the_database_costs_every_process_a_handful_of_lines(
    own_postgres: OwnPostgres, broker: Node, platform: Platform
) -> None:
    with own_postgres.in_use(), house(own_postgres.url, broker.url) as home, house(own_postgres.url) as alone:
        client = app(webhook_url=platform.url)
        platform.secret = client.secret
        processes = {
            "worker": home.worker(),
            "beat": home.beat(),
            "relay": home.relay(),
            "embedded": alone.embedded(),
            "relay without a broker": alone.relay(),
        }
        warm = [client.start() for _ in range(10)]
        wait_for_all(warm, "pending_review")
        before = {name: len(process.lines()) for name, process in processes.items()}
        busy = [client.start(f"{RUDE} {number}") for number in range(120)]
        own_postgres.kill()
        threading.Event().wait(OUTAGE_SECONDS)  # the length of the outage is what is tried
        own_postgres.start()
        connection.close()
        until(expire_leases_or_not, bool)
        wait_for_all(busy, "pending_review", seconds=90)
        written = {name: process.lines(before[name]) for name, process in processes.items()}
        shown = "\n".join(f"{name}: {len(lines)} lines\n" + "\n".join(lines[:40]) for name, lines in written.items())
        assert all(process.is_alive() for process in processes.values()), shown
        assert not any("Traceback" in line for lines in written.values() for line in lines), shown
        assert {name: len(lines) for name, lines in written.items() if len(lines) > HANDFUL} == {}, shown
    empty_lanes(broker)


def expire_leases_or_not() -> bool:
    from django.db import OperationalError

    try:
        expire_leases()
    except OperationalError:
        connection.close()
        return False
    return True
