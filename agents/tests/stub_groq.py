"""A stand-in for api.groq.com on loopback: real HTTP, scripted answers, every request kept."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATH = "/openai/v1/chat/completions"
Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `body`: JSON, raw text, or made from the request. `delay` and `drip` (per byte) in seconds."""

    body: Body | str | Callable[[Body], Body] = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0


def nonce_of(request: Body) -> str:
    """The code of this call, as the model would read it."""
    return str(re.findall(r'Set "nonce" to "([0-9a-f]+)"', request["messages"][-1]["content"])[-1])


def completion(content: str | None, *, model: str, finish: str = "stop", **message: Any) -> Body:
    """The envelope of a chat completion: 1000 tokens in, 200 out."""
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


def verdict(finish: str = "stop", **fields: Any) -> Reply:
    """A complete answer; `fields` replace the defaults (no violation, confidence 0.97). The nonce is the right one."""

    def body(request: Body) -> Body:
        answer = {
            "nonce": nonce_of(request),
            "verdict": "no_violation",
            "confidence": 0.97,
            "severity": "none",
            "summary": "A harmless post.",
            "findings": [],
            "recommended_actions": [],
            "doubts": [],
            **fields,
        }
        return completion(json.dumps(answer), model=request["model"], finish=finish)

    return Reply(body)


def saying(content: str | None, finish: str = "stop", **message: Any) -> Reply:
    """A completion with exactly this content."""
    return Reply(lambda request: completion(content, model=request["model"], finish=finish, **message))


def error(status: int, **headers: str) -> Reply:
    """An error as Groq words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": {"message": "stub", "type": "stub", "code": "stub"}}, status, named)


class StubGroq:
    """`with StubGroq(reply, ...) as stub`: answers in order, the last one for ever; `by_model` goes first."""

    def __init__(self, *replies: Reply, by_model: dict[str, Reply] | None = None) -> None:
        self.replies = list(replies)
        self.by_model = by_model or {}
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.requests.append(request)
                stub.headers.append({k.lower(): v for k, v in self.headers.items()})
                self._send(stub.next(request) if self.path == PATH else Reply("not here", 404), request)

            def _send(self, reply: Reply, request: Body) -> None:
                time.sleep(reply.delay)
                body = reply.body(request) if callable(reply.body) else reply.body
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                kind = "text/html" if isinstance(body, str) else "application/json"
                try:
                    self.send_response(reply.status)
                    standard = {"Content-Type": kind, "Content-Length": str(len(data))}
                    for name, value in {**standard, **reply.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for at in range(0, len(data), 1 if reply.drip else len(data)) if data else ():
                        self.wfile.write(data[at : at + 1] if reply.drip else data)
                        self.wfile.flush()
                        time.sleep(reply.drip)
                except OSError:
                    pass  # the client has gone away: that is what the timeout tests are about

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def next(self, request: Body) -> Reply:
        """The reply for this request."""
        if request["model"] in self.by_model:
            return self.by_model[request["model"]]
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def __enter__(self) -> StubGroq:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
