"""The client's platform as the tests know it: a real HTTP server on loopback that verifies, obeys and remembers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Answer = tuple[int, bytes]


class Platform:
    """Receives webhooks: orders as (webhook-id, document) in `received`, other notices in `notices`.

    `behave` may be replaced: it gets the document and gives (status, body)."""

    def __init__(self) -> None:
        self.secret = ""
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.notices: list[dict[str, Any]] = []
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
                    if document["type"].startswith("action."):
                        platform.received.append((self.headers["webhook-id"], document))
                    else:
                        platform.notices.append(document)
                    platform._changed.notify_all()
                status, answer = platform.behave(document)
                self.send_response(status)
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
