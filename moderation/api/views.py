"""The door for client apps: parse, call the verb, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.dateparse import parse_datetime
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from moderation.api import bodies, idempotency, representations
from moderation.api.authentication import client_of
from moderation.api.parsing import BODY_LIMIT, Malformed, TooLarge
from moderation.errors import FieldTrouble, PreconditionFailed, Unacceptable
from moderation.lifecycle import Status
from moderation.models import Case, Scope
from moderation.selectors.access import cases_for, locked_case, the_case
from moderation.selectors.dossier import dossiers
from moderation.services import intake, review, rollback


class Door(APIView):
    """One path. `scopes`: the scope each method needs. Subclasses that take a POST write `act`."""

    scopes: dict[str, str] = {}
    body_limit = BODY_LIMIT

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if int(request.META.get("CONTENT_LENGTH") or 0) > self.body_limit:
            raise TooLarge(f"At most {self.body_limit // 1024} KiB are taken here. Nothing was stored.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


class PostDoor(Door):
    """A path that changes something: one transaction, once per Idempotency-Key."""

    def post(self, request: Request, **at: Any) -> HttpResponse:
        if not request._request.body:
            raise Malformed("The body is empty. Nothing was stored.")
        return idempotency.answer(request, lambda: self.act(request, **at))

    def act(self, request: Request, **at: Any) -> Response:
        raise NotImplementedError


class Cases(PostDoor):
    """GET and POST cases/"""

    scopes = {"GET": Scope.CASES_READ, "POST": Scope.CASES_WRITE}

    def act(self, request: Request, **at: Any) -> Response:
        body = bodies.StartBody(data=request.data)
        body.is_valid(raise_exception=True)
        accepted = intake.start(client_of(request), body.submission(), actor=_actor(request))
        response = _case_response(accepted.case.pk, request, 200 if accepted.merged else 202)
        response.data["merged"] = accepted.merged
        response["Location"] = request.build_absolute_uri(response.data["links"]["self"])
        return response

    def get(self, request: Request) -> Response:
        page = CasePages()
        rows = page.paginate_queryset(_filtered(cases_for(client=client_of(request)), request), request, view=self)
        return page.get_paginated_response([representations.case(dossier) for dossier in dossiers(rows or [])])


class OneCase(Door):
    """GET cases/{id}/"""

    scopes = {"GET": Scope.CASES_READ}

    def get(self, request: Request, case_id: UUID) -> Response:
        return _case_response(case_id, request, 200)


class CaseEvents(Door):
    """GET cases/{id}/events/: the case's timeline, oldest first."""

    scopes = {"GET": Scope.CASES_READ}

    def get(self, request: Request, case_id: UUID) -> Response:
        case = the_case(case_id, client=client_of(request))
        return Response({"results": [representations.event(event) for event in case.events.order_by("pk")]})


class Resume(PostDoor):
    """POST cases/{id}/resume/: a human's decision."""

    scopes = {"POST": Scope.DECISIONS_WRITE}

    def act(self, request: Request, **at: Any) -> Response:
        case = _case_to_change(request, at["case_id"])
        body = bodies.ResumeBody(data=request.data)
        body.is_valid(raise_exception=True)
        review.decide_over_api(case, body.ruling(), decided_by=body.validated_data["decided_by"])
        return _case_response(case.pk, request, 202)


class Rollback(PostDoor):
    """POST cases/{id}/rollback/: take it back and let somebody else look."""

    scopes = {"POST": Scope.ROLLBACK_WRITE}

    def act(self, request: Request, **at: Any) -> Response:
        case = _case_to_change(request, at["case_id"])
        body = bodies.RollbackBody(data=request.data)
        body.is_valid(raise_exception=True)
        rollback.roll_back(case, **body.validated_data)
        return _case_response(case.pk, request, 202)


class CasePages(CursorPagination):
    """Newest first; a cursor, no totals."""

    ordering = ("-created_at", "-id")
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def get_paginated_response(self, data: Any) -> Response:
        following, previous = self.get_next_link(), self.get_previous_link()
        links = [f'<{url}>; rel="{rel}"' for url, rel in ((following, "next"), (previous, "prev")) if url]
        return Response(
            {"next": following, "previous": previous, "results": data},
            headers={"Link": ", ".join(links)} if links else {},
        )


def _filtered(cases: QuerySet[Case], request: Request) -> QuerySet[Case]:
    """The filters of GET cases/. Raises Unacceptable for a value that cannot be one."""
    troubles = []
    for name in ("status", "content_id", "author_id"):
        value = request.query_params.get(name)
        if value is None:
            continue
        if name == "status" and value not in Status.values:
            troubles.append(FieldTrouble("/status", f"Must be one of {', '.join(Status.values)}."))
        cases = cases.filter(**{name: value.replace("\x00", "�")})
    for name, lookup in (("created_after", "created_at__gt"), ("created_before", "created_at__lt")):
        value = request.query_params.get(name)
        if value is None:
            continue
        # An unescaped + of an offset arrives as a space.
        try:
            moment = parse_datetime(value.replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            troubles.append(FieldTrouble(f"/{name}", "Must be an RFC 3339 time with its offset."))
        else:
            cases = cases.filter(**{lookup: moment})
    if troubles:
        raise Unacceptable("The filter cannot be applied.", errors=troubles)
    return cases


def _case_to_change(request: Request, case_id: UUID) -> Case:
    """The client's case, locked, unless `If-Match` names another version than the present one."""
    case = locked_case(case_id, client=client_of(request))
    wanted = request.headers.get("If-Match", "*").strip()
    if wanted != "*" and _etag(case) not in [tag.strip() for tag in wanted.split(",")]:
        raise PreconditionFailed(f"The case is at version {case.version} now. Nothing was changed; look again.")
    return case


def _case_response(case_id: UUID, request: Request, status: int) -> Response:
    case = the_case(case_id, client=client_of(request))
    return Response(representations.case(dossiers([case])[0]), status=status, headers={"ETag": _etag(case)})


def _etag(case: Case) -> str:
    return f'"{case.version}"'


def _actor(request: Request) -> str:
    return f"client:{client_of(request).name}"
