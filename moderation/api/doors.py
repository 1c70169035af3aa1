"""What all paths of the API share: scopes, limits, one transaction per POST, and how a case is answered."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer, ValidationError
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from moderation.api import idempotency, representations
from moderation.api.authentication import client_of, key_of, may_read
from moderation.api.parsing import BODY_LIMIT, Malformed, TooLarge
from moderation.errors import FieldTrouble, Unacceptable
from moderation.models import Case
from moderation.rights import Actor
from moderation.selectors.access import case_of
from moderation.selectors.dossier import Dossier, dossiers
from moderation.services.desk import limits
from moderation.services.desk.limits import Allowance

_TAG = re.compile(r'"([1-9][0-9]{0,9})"')


class KeyLimit(BaseThrottle):
    """The key's token bucket; keeps what it found for the RateLimit headers."""

    def __init__(self) -> None:
        self.allowance: Allowance | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        self.allowance = limits.spend(key_of(request))
        view.allowance = self.allowance
        return self.allowance.allowed

    def wait(self) -> float | None:
        return self.allowance.wait_seconds if self.allowance else None


class Door(APIView):
    """One path. `scopes`: the scope each method needs. `parameters`: what a GET understands behind its `?`."""

    scopes: dict[str, str] = {}
    parameters: frozenset[str] = frozenset()
    http_method_names = ["get", "post", "head"]
    body_limit = BODY_LIMIT
    throttle_classes = [KeyLimit]
    allowance: Allowance | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Django's, for a view that says who may use it. Raises ImproperlyConfigured, so that a forgotten scope keeps
        the process from starting instead of letting everybody in."""
        missing = [name for name in ("get", "post") if hasattr(cls, name) and name.upper() not in cls.scopes]
        if missing:
            raise ImproperlyConfigured(f"{cls.__name__} names no scope for {', '.join(missing)}.")
        return super().as_view(**initkwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _refuse_unknown_parameters(request, self.parameters if request.method in ("GET", "HEAD") else frozenset())
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit():
            raise Malformed("Content-Length is no number.")
        if int(length) > self.body_limit:
            raise TooLarge(f"At most {self.body_limit // 1024} KiB are taken here. Nothing was stored.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        if self.allowance is not None:
            rate = client_of(request).rate_per_second
            response["RateLimit-Policy"] = f'"key";q={self.allowance.limit};w={max(1, self.allowance.limit // rate)}'
            response["RateLimit"] = f'"key";r={self.allowance.remaining};t={int(self.allowance.wait_seconds) + 1}'
        return response


class PostDoor(Door):
    """A path that changes something: subclasses write `act`, which runs in one transaction, once per key."""

    def post(self, request: Request, **at: Any) -> HttpResponse:
        if not request._request.body:
            raise Malformed("The body is empty. Nothing was stored.")
        return idempotency.answer(request, lambda: self.act(request, **at))

    def act(self, request: Request, **at: Any) -> Response:
        raise NotImplementedError


def said_of(case_id: UUID, body: Serializer, request: Request) -> dict[str, Any]:
    """What was sent about one case, once it is valid. Of a case that is not the client's, it is not said what is wrong
    with the body: there is no such case."""
    try:
        body.is_valid(raise_exception=True)
    except ValidationError:
        case_of(client_of(request), case_id)
        raise
    said: dict[str, Any] = body.validated_data
    return said


def versions_of(request: Request) -> frozenset[int] | None:
    """The versions `If-Match` names; a tag that is none of ours matches nothing. None: any."""
    wanted = request.headers.get("If-Match", "*").strip()
    if wanted == "*":
        return None
    tags = (_TAG.fullmatch(tag.strip()) for tag in wanted.split(","))
    return frozenset(int(tag[1]) for tag in tags if tag)


def case_response(case_id: UUID, request: Request, status: int) -> Response:
    """The case as it is now, with its ETag; without `cases:read` no more of it than how it stands."""
    case = case_of(client_of(request), case_id)
    found = dossiers([case])[0] if may_read(request) else Dossier(case)
    return dossier_response(found, request, status)


def dossier_response(dossier: Dossier, request: Request, status: int) -> Response:
    """The case of a dossier, with its ETag."""
    said = representations.case(dossier)
    if not may_read(request):
        said = representations.brief(said)
    return Response(said, status=status, headers={"ETag": _etag(dossier.case)})


def _refuse_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    """A mistyped filter must not be lost in silence: it would answer with everything."""
    sent = request.query_params
    unknown = f"Unknown. Known: {', '.join(sorted(known)) or 'none'}."
    troubles = [
        FieldTrouble(f"/{name}", "Only once." if name in known else unknown)
        for name in sent
        if name not in known or len(sent.getlist(name)) > 1
    ]
    if troubles:
        raise Unacceptable("The request has parameters that are not understood here.", errors=troubles)


def actor_of(request: Request) -> Actor:
    """The client that is calling, with what its key may do."""
    return Actor.of_client(client_of(request), key_of(request).scopes)


def _etag(case: Case) -> str:
    return f'"{case.version}"'
