"""The demo's forum for the tests (a pytest plugin of the modules that need it), before a stand-in and before Guardian.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import include, path
from django.utils import timezone
from pytest_django import Settings

from moderation import signing
from moderation.demo.models import Author, Post
from moderation.tests.people import App, app
from moderation.urls import handler404, handler500
from moderation.urls import urlpatterns as house_urls

urlpatterns = [*house_urls, path("demo/", include("moderation.demo.urls"))]
__all__ = ["handler404", "handler500"]

SECRET = signing.new_secret()
SEQUENCE = itertools.count(1)
"""Of every subject, here: each new order has a higher one."""
UNDONE = {
    "remove_content": ("restore_content", "is_removed"),
    "limit_visibility": ("restore_visibility", "is_limited"),
    "age_gate": ("remove_age_gate", "is_age_gated"),
    "label_content": ("unlabel_content", "is_labelled"),
}


class StandIn:
    """Guardian's API as the forum sees it: remembers what it was asked, answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any], dict[str, str]]] = []
        self.answer: tuple[int, dict[str, Any]] = (202, {"id": "case-1", "status": "pending_analysis", "round": 1})
        self.first: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._do("GET")

            def do_POST(self) -> None:
                self._do("POST")

            def _do(self, method: str) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stand_in.asked.append((method, self.path, json.loads(sent or b"{}"), headers))
                more: dict[str, str] = {}
                if stand_in.first:
                    status, document, more = stand_in.first.pop(0)
                else:
                    status, document = stand_in.answer
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v1/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def guardian(database: None, settings: Settings) -> Iterator[StandIn]:
    running = StandIn()
    settings.ROOT_URLCONF = __name__
    settings.DEMO = True
    settings.FORUM_API_URL = running.url
    settings.FORUM_API_KEY = "gk_the-key"
    settings.FORUM_WEBHOOK_SECRET = SECRET
    yield running
    running.close()


def a_post(author: str = "kevin", text: str = "You are a loser.") -> Post:
    return Post.objects.create(author=Author.objects.get_or_create(name=author)[0], text=text, language="en")


def deliver(document: dict[str, Any], *, webhook_id: str = "", secret: str = SECRET, at: datetime | None = None) -> Any:
    body = json.dumps(document).encode()
    headers = signing.sign([secret], webhook_id or str(uuid.uuid4()), at or timezone.now(), body)
    return Browser(enforce_csrf_checks=True).post(
        "/demo/webhooks/", body, content_type="application/json", headers=headers
    )


def order(action: str, post: Post, *, reverse: bool = False, **more: Any) -> dict[str, Any]:
    data = {
        "order_id": str(uuid.uuid4()),
        "action": action,
        "params": {},
        "case_id": "case-1",
        "content_id": post.content_id,
        "author_id": post.author.name,
        "decision_id": "decision-1",
        "sequence": next(SEQUENCE),
        **more,
    }
    return {"type": "action.reverse" if reverse else "action.apply", "timestamp": "2026-01-01T00:00:00Z", "data": data}


def result_of(response: HttpResponse) -> str:
    assert response.status_code == 200, response.content
    return str(json.loads(response.content)["result"])


# --- notices -----------------------------------------------------------------------------------------------------


def about_case(kind: str, post: Post, version: int, **more: Any) -> dict[str, Any]:
    completed = kind == "case.completed"
    data = {
        "case_id": "case-1",
        "content_id": post.content_id,
        "author_id": post.author.name,
        "status": "completed" if completed else "pending_review",
        "outcome": "violation" if completed else None,
        "round": 1 if completed else 2,
        "version": version,
        **({"reporters": [], "statement": {"reason": "It insults somebody."}} if completed else {}),
        **more,
    }
    return {"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data}


def about_appeal(kind: str, post: Post, status: str, **more: Any) -> dict[str, Any]:
    data = {
        "appeal_id": "appeal-1",
        "case_id": "case-1",
        "content_id": post.content_id,
        "appellant_id": "kevin",
        "side": "author",
        "status": status,
        "answer": None,
        **more,
    }
    return {"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data}


# --- appeals, against what a stand-in says ------------------------------------------------------------------------

KEY = "0b1f6d2a-8d5d-4b7e-9d55-7a3f1c0de001"


def an_appeal(**more: str) -> dict[str, str]:
    return {"name": "kevin", "statement": "I was quoting.", "language": "en", "key": KEY, **more}


def the_form(page: str) -> str:
    return page[page.index("Appeal the decision") : page.index("Report this post")]


# --- with the real Guardian, over real HTTP -----------------------------------------------------------------------


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadedWSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        connection.close()


@pytest.fixture
def house(database: None, settings: Settings) -> Iterator[App]:
    """Guardian and the forum on one port, the forum's key and secret as Guardian has them."""
    settings.ROOT_URLCONF = __name__
    settings.DEMO = settings.ALLOW_LOOPBACK_WEBHOOKS = True
    server = Server(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    made = app(webhook_url=f"{url}/demo/webhooks/")
    settings.FORUM_API_URL, settings.FORUM_API_KEY = f"{url}/api/v1/", made.api_key
    settings.FORUM_WEBHOOK_SECRET = made.secret
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
