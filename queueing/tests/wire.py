"""The API over real HTTP, and several requests at the same moment."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import connection

from moderation.tests.people import RUDE


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Wire:
    """The API over real HTTP, as a client app with retries of its own would speak it; one connection per thread."""

    def __init__(self, port: int, api_key: str) -> None:
        self.port, self.api_key = port, api_key
        self._local = threading.local()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Raises OSError or http.client.HTTPException when nobody answers."""
        return self._ask("POST", path, json.dumps(body), headers)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def start(self, text: str = RUDE, *, key: str = "", **fields: Any) -> Answer:
        body = {"content_id": f"post-{uuid.uuid4()}", "author_id": f"author-{uuid.uuid4()}", "language": "en"}
        return self.post("cases/", {**body, "text": text, **fields}, **({"Idempotency-Key": key} if key else {}))

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        web = getattr(self._local, "web", None)
        if web is None:
            web = self._local.web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        said = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json", **headers}
        try:
            web.request(method, f"/api/v1/{path}", body, said)
            answer = web.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            web.close()
            self._local.web = None
            raise
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(content or b"{}"))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Let all `calls` go at the same moment, each in a thread with its own connection; their answers in order."""
    barrier = threading.Barrier(len(calls), timeout=10)
    connection.close()  # the pool has as many connections as the largest of these tests has threads

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]
