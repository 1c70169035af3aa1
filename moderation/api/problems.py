"""Every error as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from moderation.errors import FieldTrouble, ModerationError
from moderation.middleware import DATABASE_AWAY, RETRY_AFTER_SECONDS, database_away_problem, request_id

CONTENT_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


def problem(status: int, code: str, title: str, detail: str, errors: tuple[FieldTrouble, ...] = ()) -> dict[str, Any]:
    """The document. `type` is about:blank: `code` is what programs should look at."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id.get(),
    }
    if errors:
        document["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return document


def handle(error: Exception, context: Any = None) -> Response | None:
    """DRF's exception handler: our errors, the framework's, and a database that is away. Anything else is a bug."""
    set_rollback()
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    headers: dict[str, str] = {}
    if isinstance(error, ModerationError):
        document = problem(error.status, error.code, error.title, error.detail, error.errors)
    elif isinstance(error, exceptions.ValidationError):
        document = problem(
            422,
            "unacceptable",
            "Some values cannot be accepted",
            "Nothing was stored. See `errors` for each field.",
            tuple(field_troubles(error.detail)),
        )
    elif isinstance(error, exceptions.APIException):
        document = problem(
            error.status_code, str(error.default_code), HTTPStatus(error.status_code).phrase, str(error.detail)
        )
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait) + 1)
        if header := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = header
    elif isinstance(error, DATABASE_AWAY):
        _log.error("database away: %s", error)
        document = database_away_problem(error)
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        return None
    return Response(document, status=document["status"], headers=headers, content_type=CONTENT_TYPE)


def field_troubles(detail: Any, pointer: str = "") -> list[FieldTrouble]:
    """DRF's nested errors as a flat list with RFC 6901 pointers below `pointer`."""
    if isinstance(detail, dict):
        return [
            trouble
            for name, inner in detail.items()
            for trouble in field_troubles(
                inner, pointer if name == "non_field_errors" else f"{pointer}/{_escaped(str(name))}"
            )
        ]
    if isinstance(detail, list):
        return [trouble for inner in detail for trouble in field_troubles(inner, pointer)]
    return [FieldTrouble(pointer, str(detail))]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def bad_request(request: HttpRequest) -> JsonResponse:
    """The 400 under /api/ of requests that never reach a view: their Host header names no host of ours."""
    document = problem(400, "bad_request", "Bad request", "The request's headers, such as Host, are not acceptable.")
    return JsonResponse(document, status=400, content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """The 404 of paths under /api/ that are no path at all."""
    document = problem(404, "not_found", "Not found", f"There is nothing at {request.path}.")
    return JsonResponse(document, status=404, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> JsonResponse:
    """The 500 under /api/: a bug of ours, with the id to find it by."""
    document = problem(500, "bug", "Our mistake", "This was our mistake; it is logged under the request_id.")
    return JsonResponse(document, status=500, content_type=CONTENT_TYPE)
