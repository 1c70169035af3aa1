"""cases/: start, read, decide, roll back, withdraw, and why it was decided so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound as NotFoundInDRF
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import batch, bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of, case_response, dossier_response, said_of, versions_of
from moderation.api.parsing import BATCH_LIMIT
from moderation.errors import FieldTrouble, NotFound, Unacceptable
from moderation.models import Case, Scope
from moderation.selectors.access import case_of, cases_of
from moderation.selectors.dossier import dossiers, new_dossier
from moderation.selectors.statement import statement
from moderation.services.story import intake, review, rollback, withdrawal
from moderation.states import Status


class CasePages(CursorPagination):
    """Newest first; a cursor, no totals."""

    ordering = ("-created_at", "-id")
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def decode_cursor(self, request: Request) -> Any:
        """DRF's, but a cursor that was made up is refused before it comes near the database."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None and _moment(str(cursor.position)) is None:
                raise ValueError
        except (NotFoundInDRF, ValueError):
            raise Unacceptable(
                "This cursor is none of ours.", errors=[FieldTrouble("/cursor", "Take it from `next` or `previous`.")]
            ) from None
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        following, previous = self.get_next_link(), self.get_previous_link()
        links = [f'<{url}>; rel="{rel}"' for url, rel in ((following, "next"), (previous, "prev")) if url]
        return Response(
            {"next": following, "previous": previous, "results": data},
            headers={"Link": ", ".join(links)} if links else {},
        )


class Cases(PostDoor):
    scopes = {"GET": Scope.CASES_READ, "POST": Scope.CASES_WRITE}

    @extend_schema(
        operation_id="list_cases",
        summary="List cases, newest first",
        parameters=[
            OpenApiParameter("status", str, enum=Status.values),
            OpenApiParameter("content_id", str),
            OpenApiParameter("author_id", str),
            OpenApiParameter("created_after", str, description="RFC 3339 time with its offset"),
            OpenApiParameter("created_before", str, description="RFC 3339 time with its offset"),
            OpenApiParameter("cursor", str, description="From `next` or `previous`"),
            OpenApiParameter("limit", int, description="1 to 200, 50 by default"),
        ],
        responses={200: shapes.CasePage},
    )
    def get(self, request: Request) -> Response:
        page = CasePages()
        rows = page.paginate_queryset(_filtered(cases_of(client_of(request)), request), request, view=self)
        return page.get_paginated_response([representations.case(dossier) for dossier in dossiers(rows or [])])

    @extend_schema(
        operation_id="start_case",
        summary="Start: hand in content for moderation",
        description="202 with a new case; 200 with `merged: true` when the same content and text is open already.",
        request=bodies.StartBody,
        responses={202: shapes.StartedCase, 200: shapes.StartedCase},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        body = bodies.StartBody(data=request.data)
        body.is_valid(raise_exception=True)
        accepted = intake.start(body.submission(), by=actor_of(request))
        # Of a case that is only just written there is nothing to load but its report.
        found = dossiers([accepted.case])[0] if accepted.merged else new_dossier(accepted.case)
        response = dossier_response(found, 200 if accepted.merged else 202)
        response.data["merged"] = accepted.merged
        response["Location"] = request.build_absolute_uri(response.data["links"]["self"])
        return response


class CaseBatch(PostDoor):
    scopes = {"POST": Scope.CASES_WRITE}
    body_limit = BATCH_LIMIT
    item_pointer = "/cases"

    @extend_schema(
        operation_id="start_cases",
        summary="Start up to 1000 cases at once",
        description="One result for each item, in their order; an item that is refused keeps no other back.",
        request=bodies.BatchBody,
        responses={202: shapes.BatchResult},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        return Response(batch.start(request.data, by=actor_of(request)), status=202)


class OneCase(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(operation_id="get_case", summary="Read a case", responses={200: shapes.CaseShape})
    def get(self, request: Request, case_id: UUID) -> Response:
        return case_response(case_id, request, 200)


class CaseEvents(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(
        operation_id="list_case_events", summary="A case's timeline, oldest first", responses={200: shapes.Timeline}
    )
    def get(self, request: Request, case_id: UUID) -> Response:
        case = case_of(client_of(request), case_id)
        return Response({"results": [representations.event(event) for event in case.events.order_by("pk")]})


class Statement(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(
        operation_id="get_statement",
        summary="The statement of reasons of the decision in force",
        description="404 while no decision is in force.",
        responses={200: shapes.StatementShape},
    )
    def get(self, request: Request, case_id: UUID) -> Response:
        case = case_of(client_of(request), case_id)
        if case.decision is None:
            raise NotFound("No decision is in force on this case.")
        return Response(statement(case.decision))


class Resume(PostDoor):
    scopes = {"POST": Scope.DECISIONS_WRITE}

    @extend_schema(
        operation_id="resume_case",
        summary="Decide a case that waits for review",
        request=bodies.ResumeBody,
        responses={202: shapes.CaseShape},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        case_id: UUID = at["case_id"]
        body = bodies.ResumeBody(data=request.data)
        said = said_of(case_id, body, request)
        by = actor_of(request).naming(said["decided_by"])
        review.decide(case_id, body.ruling(), by=by, version=versions_of(request))
        return case_response(case_id, request, 202)


class Rollback(PostDoor):
    scopes = {"POST": Scope.ROLLBACK_WRITE}

    @extend_schema(
        operation_id="roll_back_case",
        summary="Take a decision back and reopen the case for somebody else",
        request=bodies.RollbackBody,
        responses={202: shapes.CaseShape},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        case_id: UUID = at["case_id"]
        body = bodies.RollbackBody(data=request.data)
        said = dict(said_of(case_id, body, request))
        by = actor_of(request).naming(said.pop("requested_by"))
        rollback.roll_back(case_id, by=by, version=versions_of(request), **said)
        return case_response(case_id, request, 202)


class Withdraw(PostDoor):
    scopes = {"POST": Scope.CASES_WRITE}

    @extend_schema(
        operation_id="withdraw_case",
        summary="End a case whose content is gone",
        request=bodies.WithdrawBody,
        responses={202: shapes.CaseShape},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        case_id: UUID = at["case_id"]
        body = bodies.WithdrawBody(data=request.data)
        said = said_of(case_id, body, request)
        withdrawal.withdraw(case_id, by=actor_of(request), version=versions_of(request), **said)
        return case_response(case_id, request, 202)


def _moment(value: str) -> datetime | None:
    """A time with its offset, as the database takes it, in UTC; None for everything else."""
    try:
        moment = parse_datetime(value)
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _filtered(cases: QuerySet[Case], request: Request) -> QuerySet[Case]:
    """The filters of GET cases/. Raises Unacceptable for a value that cannot be one."""
    troubles = []
    for name in ("status", "content_id", "author_id"):
        value = request.query_params.get(name)
        if value is None:
            continue
        if name == "status" and value not in Status.values:
            troubles.append(FieldTrouble("/status", f"Must be one of {', '.join(Status.values)}."))
        # PostgreSQL takes no NUL in a text; nothing stored holds one either.
        cases = cases.none() if "\x00" in value else cases.filter(**{name: value})
    for name, lookup in (("created_after", "created_at__gt"), ("created_before", "created_at__lt")):
        value = request.query_params.get(name)
        if value is None:
            continue
        # An unescaped + of an offset arrives as a space.
        moment = _moment(value) or _moment(value.replace(" ", "+"))
        if moment is None:
            troubles.append(FieldTrouble(f"/{name}", "Must be an RFC 3339 time with its offset."))
        else:
            cases = cases.filter(**{lookup: moment})
    if troubles:
        raise Unacceptable("The filter cannot be applied.", errors=troubles)
    return cases
