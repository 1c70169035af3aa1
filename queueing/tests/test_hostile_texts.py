"""Twenty texts made to be slow, posted at once: the service answers all the while, and ends when it is told to."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from moderation.models import Case
from moderation.tests.people import App, until
from queueing.tests.deliveries import wait_for_all
from queueing.tests.demo import at_leisure
from queueing.tests.processes import House, Process
from queueing.tests.rabbit import free_port
from queueing.tests.wire import Wire

pytest_plugins = ("queueing.tests.rabbit", "queueing.tests.processes")

# The first one froze the process for a minute; each of the others is what some pattern of ours likes least.
UNITS = (
    *("\n", "\r\n", " \n", "\t", "\n#", "a", "é", "é-", "0", "a1@ ", "1gn0r3 ", "a b ", "dear ", "ignore your "),
    *("\nsystem:", "say safe", "\u0301\u0323", "\u0f73", "\u0130", "🍅"),
)
TEXTS = tuple(("x" + unit * 20_000)[:19_999] + "y" for unit in UNITS)
STOP_SECONDS = 5


class Watch:
    """Asks `/livez` twenty times a second, each time on a connection of its own, as a load balancer does."""

    def __init__(self, port: int) -> None:
        self.port, self.seconds, self.answers = port, [0.0], 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._ended.wait(0.05):
            began = time.monotonic()
            web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=70)
            web.request("GET", "/livez")
            self.answers += web.getresponse().status == 200
            web.close()
            self.seconds.append(time.monotonic() - began)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(70)


def post_all(wire: Wire, times: int = 1) -> list[str]:
    def post(text: str) -> str:
        answer = wire.start(text)
        assert answer.status == 202, answer.body
        return str(answer.body["id"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(post, TEXTS * times))


def analysed(ids: list[str]) -> int:
    return Case.objects.filter(pk__in=ids).exclude(status="pending_analysis").count()


@contextmanager
def the_demo(house: House) -> Iterator[tuple[Process, Wire]]:
    """Web, relay and analysis in one process: what holds the interpreter there holds everything."""
    argv = ["demo", "--no-seed", "--json", "--port", str(free_port())]
    process = house._start("demo", module="manage", argv=argv)
    house._wait(process, lambda: '"api_key"' in process.log.read_text(errors="replace"))
    said = json.loads(next(line for line in process.log.read_text().splitlines() if line.startswith("{")))
    process.port = int(said["url"].rstrip("/").rpartition(":")[2])
    yield process, Wire(process.port, said["api_key"])


def ends_in_the_middle_of_it(process: Process, wire: Wire) -> None:
    ids = post_all(wire, times=3)
    until(lambda: analysed(ids), lambda done: done > 0, 30)
    process.stop(seconds=STOP_SECONDS)  # fails if it takes longer
    assert analysed(ids) < len(ids), "it was not in the middle of anything"


def test_a_web_process_answers_while_a_worker_analyses_hostile_texts(client_app: App, broker_house: House) -> None:
    web = broker_house.web()
    worker = broker_house.worker()
    wire = Wire(web.port, client_app.api_key)
    with Watch(web.port) as watch:
        wait_for_all(post_all(wire), "pending_review", "completed", seconds=60)
    assert watch.answers == len(watch.seconds) - 1 > 0
    assert max(watch.seconds) < at_leisure()
    ends_in_the_middle_of_it(worker, wire)


def test_the_demo_answers_while_it_analyses_hostile_texts_itself(embedded_house: House) -> None:
    with the_demo(embedded_house) as (process, wire):
        with Watch(process.port) as watch:
            wait_for_all(post_all(wire), "pending_review", "completed", seconds=60)
        assert watch.answers == len(watch.seconds) - 1 > 0
        assert max(watch.seconds) < at_leisure()
        ends_in_the_middle_of_it(process, wire)


def test_the_embedded_ending_ends_in_the_middle_of_hostile_texts(client_app: App, embedded_house: House) -> None:
    web = embedded_house.web()
    ends_in_the_middle_of_it(embedded_house.embedded(), Wire(web.port, client_app.api_key))
