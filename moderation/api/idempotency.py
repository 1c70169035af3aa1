"""`Idempotency-Key`: the same request answers the first answer again.

The remembered answer is written in the effect's own transaction, and "in flight" is an advisory lock of that same
transaction: a crash in between leaves neither an effect without an answer nor a key that is stuck.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

from django.db import connection, transaction
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import problems, representations
from moderation.api.authentication import client_of, may_read
from moderation.errors import Conflict, ModerationError, Unacceptable
from moderation.models import Client, IdempotentAnswer

FORGOTTEN = {401, 429}
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


def answer(request: Request, act: Callable[[], Response]) -> HttpResponse:
    """Carry out `act` in one transaction, once per key. Without a key it is just carried out."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        with transaction.atomic():
            return act()
    if not _KEY.fullmatch(key):
        raise Unacceptable("An Idempotency-Key is 1 to 255 visible ASCII characters.", code="bad_idempotency_key")
    client, print = client_of(request), _print_of(request)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"key:{client.pk}:{key}"])
            if not cursor.fetchone()[0]:
                raise Conflict("The first request with this key is still being carried out.", code="in_flight")
        known = IdempotentAnswer.objects.filter(client=client, key=key).first()
        if known is not None:
            return _replay(request, known, print)
        try:
            with transaction.atomic():
                response = act()
        except (ModerationError, APIException) as error:
            refusal = problems.handle(error)
            if refusal is None or refusal.status_code in FORGOTTEN or refusal.status_code >= 500:
                raise
            response = refusal
        return _remember(client, key, print, response)


def _print_of(request: Request) -> str:
    said = f"{request.method} {request.path}\n".encode() + request._request.body
    return hashlib.sha256(said).hexdigest()


def _replay(request: Request, known: IdempotentAnswer, print: str) -> HttpResponse:
    if known.print != print:
        raise Unacceptable(
            "This Idempotency-Key was used for another request. Nothing was done.", code="idempotency_key_reused"
        )
    response = HttpResponse(_as_seen_by(request, known), status=known.status)
    for name, value in known.headers.items():
        response[name] = value
    response["Idempotency-Replayed"] = "true"
    return response


def _as_seen_by(request: Request, known: IdempotentAnswer) -> bytes:
    """The remembered body, cut to what the present key may see: another key may have made it."""
    body = bytes(known.body)
    if may_read(request) or known.status >= 400:
        return body
    said = json.loads(body)
    return JSONRenderer().render(representations.brief(said)) if representations.is_case(said) else body


def _remember(client: Client, key: str, print: str, response: Response) -> HttpResponse:
    body = JSONRenderer().render(response.data)
    headers = {
        "Content-Type": response.content_type or "application/json",
        **{name: response[name] for name in ("Location", "ETag") if name in response},
    }
    IdempotentAnswer.objects.create(
        client=client, key=key, print=print, status=response.status_code, headers=headers, body=body
    )
    plain = HttpResponse(body, status=response.status_code)
    for name, value in headers.items():
        plain[name] = value
    return plain
