"""The client's platform as the tests know it: a real HTTP server on loopback that verifies, obeys and remembers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from moderation.models.actions import ACTIONS

UNDONE_BY = {action.reversed_by: action.name for action in ACTIONS.values() if action.reversed_by}
Answer = tuple[int, bytes]


class Platform:
    """Receives webhooks: orders as (webhook-id, document) in `received`, other notices in `notices`; `times`: what the
    signatures of all say, in seconds.

    `behave` may be replaced: it gets the document and gives (status, body); status 0 cuts the line unanswered.
    `headers` go with every answer."""

    def __init__(self) -> None:
        self.secret = ""
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.notices: list[dict[str, Any]] = []
        self.times: list[int] = []
        self.headers: dict[str, str] = {}
        self.behave: Callable[[dict[str, Any]], Answer] = lambda document: (200, b"")
        self._changed = threading.Condition()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                document = json.loads(body)
                if platform.secret:
                    Webhook(platform.secret).verify(body, dict(self.headers.items()))
                with platform._changed:
                    platform.times.append(int(self.headers["webhook-timestamp"]))
                    if document["type"].startswith("action."):
                        platform.received.append((self.headers["webhook-id"], document))
                    else:
                        platform.notices.append(document)
                    platform._changed.notify_all()
                status, answer = platform.behave(document)
                if not status:  # the line is cut
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in platform.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/webhooks"

    @property
    def actions(self) -> list[str]:
        """The actions in the order they first arrived, each webhook-id once."""
        seen: dict[str, str] = {}
        for webhook_id, document in self.received:
            seen.setdefault(webhook_id, document["data"].get("action", document["type"]))
        return list(seen.values())

    def tries(self) -> Counter[str]:
        """How often each webhook-id arrived."""
        return Counter(webhook_id for webhook_id, _ in self.received)

    def wait_for(self, count: int, seconds: float = 20) -> None:
        """Until so many webhooks have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), self.received

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Obedient(Platform):
    """A platform that does what it is told, each webhook-id once; `in_force`: the newest params of each (id, action).

    `protects`: it keeps to contract section 5 and does nothing that was overtaken. `loses`: it obeys orders with these
    actions, and its answer is lost; `refuses` and `fails` likewise.
    """

    def __init__(self, *, protects: bool = False) -> None:
        super().__init__()
        self.protects = protects
        self.in_force: dict[tuple[str, str], dict[str, Any]] = {}
        self.loses: set[str] = set()
        self.refuses: set[str] = set()
        self.fails: set[str] = set()
        self._answers: dict[str, dict[str, str]] = {}
        self._marks: dict[tuple[str, str], tuple[int, bool]] = {}
        self._lock = threading.Lock()
        self.behave = self.obey

    def obey(self, document: dict[str, Any]) -> Answer:
        if not document["type"].startswith("action."):
            return 200, b""
        data = document["data"]
        with self._lock:
            if data["action"] in self.fails:
                return 503, b""
            known = self._answers.get(data["order_id"])
            answer = self._answers[data["order_id"]] = known or self._carry_out(document["type"], data)
            if data["action"] in self.loses:
                return 0, b""
            return 200, json.dumps(answer).encode()

    def _carry_out(self, kind: str, data: dict[str, Any]) -> dict[str, str]:
        if data["action"] in self.refuses:
            return {"result": "refused"}
        effect = UNDONE_BY.get(data["action"], data["action"])
        about = data[f"{ACTIONS[effect].target.value}_id"]
        this = (data["sequence"], kind == "action.reverse")
        if self.protects:
            # A reversal comes after the apply of the same number, so (number, is a reversal) tells the order of both.
            mark = self._marks.get((about, effect), (0, False))
            if this < mark or (this == mark and kind == "action.apply"):
                return {"result": "already", "detail": "overtaken"}
            self._marks[about, effect] = this
        if kind == "action.reverse":
            return {"result": "applied" if self.in_force.pop((about, effect), None) is not None else "already"}
        self.in_force[about, effect] = data["params"]
        return {"result": "applied"}
