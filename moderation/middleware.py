"""A name for every request, a decent answer when the database is away, and what keeps somebody logged in."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

import psycopg_pool
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from moderation.database_away import is_disk_full

request_id: ContextVar[str] = ContextVar("request_id", default="-")
DATABASE_AWAY = (OperationalError, InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)
RETRY_AFTER_SECONDS = 5
BY_THEMSELVES = frozenset({"console:heartbeat", "console:news"})
"""What open pages ask for without anybody doing anything; a page that looks for changes says `?seen=`."""
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdFilter(logging.Filter):
    """Puts the request's name on every log line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class RequestIdMiddleware:
    """Takes the proxy's X-Request-ID if it is a plain word, else makes one; answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get("X-Request-ID", "")
        name = sent if _SAFE_ID.fullmatch(sent) else uuid.uuid4().hex
        token = request_id.set(name)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = name
        return response


class ApiPathMiddleware:
    """Below /api/ a path works with and without its final slash. A redirect would turn a client's POST into a GET."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/") and not request.path.endswith("/"):
            request.path, request.path_info = f"{request.path}/", f"{request.path_info}/"
        return self.get_response(request)


class DatabaseAwayMiddleware:
    """503 with Retry-After instead of a traceback, for pages; the API's own handler says it as a problem document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DATABASE_AWAY):
            return None
        logging.getLogger(__name__).error("database away: %s", exception)
        response: HttpResponse
        if request.path.startswith("/api/"):
            document = database_away_problem(exception)
            response = JsonResponse(document, status=503, content_type="application/problem+json")
        else:
            response = render(request, "503.html", {"disk_full": is_disk_full(exception)}, status=503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


class ActivityMiddleware:
    """What somebody does in the console or the admin keeps their session alive; a page that looks again by itself
    does not. Every answer says how long it lasts, in the header `X-Guardian-Session` (seconds)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Only where the view has looked who it is: elsewhere it would cost two queries.
        if response.status_code < 500 and request.session.accessed and request.user.is_authenticated:
            left = request.session.seconds_left  # type: ignore[attr-defined]
            if left is not None:
                response["X-Guardian-Session"] = str(left)
        return response

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> None:
        match = request.resolver_match
        if match is None or not (match.namespace in {"console", "admin"} or match.url_name == "session"):
            return
        by_itself = match.view_name in BY_THEMSELVES or "seen" in request.GET
        by_itself = by_itself or (match.url_name == "session" and request.method == "GET")
        if not by_itself and request.user.is_authenticated:
            request.session.keep_alive()  # type: ignore[attr-defined]


def database_away_problem(error: BaseException) -> dict[str, object]:
    """The problem document that says the database cannot be reached, or has no room left."""
    title = "The database is away"
    detail = "Nothing was stored. Try again in a few seconds, with the same Idempotency-Key."
    if is_disk_full(error):
        title = "The disk of the database is full"
        detail = "The disk of the database is full; nothing was stored. Try again later, with the same Idempotency-Key."
    return {
        "type": "about:blank",
        "title": title,
        "status": 503,
        "detail": detail,
        "code": "database_away",
        "request_id": request_id.get(),
    }
