"""cases/: start, read, decide, roll back, withdraw, and why it was decided so."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import batch, bodies, representations, shapes
from moderation.api.authentication import client_of, may_read
from moderation.api.decision_schema import decision_schema
from moderation.api.doors import Door, PostDoor, actor_of, case_response, dossier_response, said_of, versions_of
from moderation.api.paging import PAGED, PAGING, Pages, moment
from moderation.api.parsing import BATCH_LIMIT
from moderation.errors import FieldTrouble, NotFound, Unacceptable
from moderation.models import Case, Scope
from moderation.rights import Verb, scope_of
from moderation.selectors.access import case_of, cases_of
from moderation.selectors.dossier import Dossier, dossiers, new_dossier
from moderation.selectors.statement import statement
from moderation.selectors.timeline import events_of, timeline
from moderation.services.story import intake, review, rollback, withdrawal
from moderation.states import Status


class Cases(PostDoor):
    scopes = {"GET": Scope.CASES_READ, "POST": scope_of(Verb.START)}
    parameters = PAGED | {"status", "content_id", "author_id", "created_after", "created_before"}

    @extend_schema(
        operation_id="list_cases",
        summary="List cases, newest first",
        parameters=[
            OpenApiParameter("status", str, enum=Status.values),
            OpenApiParameter("content_id", str),
            OpenApiParameter("author_id", str),
            OpenApiParameter("created_after", str, description="RFC 3339 time with its offset"),
            OpenApiParameter("created_before", str, description="RFC 3339 time with its offset"),
            *PAGING,
        ],
        responses={200: shapes.CasePage},
    )
    def get(self, request: Request) -> Response:
        page = Pages()
        rows = page.paginate_queryset(_filtered(cases_of(client_of(request)), request), request, view=self)
        return page.get_paginated_response([representations.case(dossier) for dossier in dossiers(rows or [])])

    @extend_schema(
        operation_id="start_case",
        summary="Start: hand in content for moderation",
        description="202 with a new case; 200 with `merged: true` when the same content and text is open already.",
        request=bodies.StartBody,
        responses={202: shapes.STARTED, 200: shapes.STARTED},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        body = bodies.StartBody(data=request.data)
        body.is_valid(raise_exception=True)
        accepted = intake.start(body.submission(), by=actor_of(request))
        # Of a case that is only just written there is nothing to load but its report.
        known = new_dossier if not accepted.merged else lambda case: dossiers([case])[0]
        found = known(accepted.case) if may_read(request) else Dossier(accepted.case)
        response = dossier_response(found, request, 200 if accepted.merged else 202)
        response.data["merged"] = accepted.merged
        response["Location"] = request.build_absolute_uri(response.data["links"]["self"])
        return response


class CaseBatch(PostDoor):
    scopes = {"POST": scope_of(Verb.START)}
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
        lines = timeline(events_of(case).order_by("pk"))
        return Response({"results": [representations.event(line) for line in lines]})


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


class DecisionSchema(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(
        operation_id="get_decision_schema",
        summary="The JSON Schema of a decision on this case",
        description="Draft 2020-12; for forms of your own. 409 when there is nothing to decide.",
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, case_id: UUID) -> Response:
        return Response(decision_schema(case_of(client_of(request), case_id)))


class Resume(PostDoor):
    scopes = {"POST": scope_of(Verb.DECIDE)}

    @extend_schema(
        operation_id="resume_case",
        summary="Decide a case that waits for review",
        request=bodies.ResumeBody,
        responses={202: shapes.CHANGED},
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
    scopes = {"POST": scope_of(Verb.ROLL_BACK)}

    @extend_schema(
        operation_id="roll_back_case",
        summary="Take a decision back and reopen the case for somebody else",
        request=bodies.RollbackBody,
        responses={202: shapes.CHANGED},
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
    scopes = {"POST": scope_of(Verb.WITHDRAW)}

    @extend_schema(
        operation_id="withdraw_case",
        summary="End a case whose content is gone",
        request=bodies.WithdrawBody,
        responses={202: shapes.CHANGED},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        case_id: UUID = at["case_id"]
        body = bodies.WithdrawBody(data=request.data)
        said = said_of(case_id, body, request)
        withdrawal.withdraw(case_id, by=actor_of(request), version=versions_of(request), **said)
        return case_response(case_id, request, 202)


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
        instant = moment(value) or moment(value.replace(" ", "+"))
        if instant is None:
            troubles.append(FieldTrouble(f"/{name}", "Must be an RFC 3339 time with its offset."))
        else:
            cases = cases.filter(**{lookup: instant})
    if troubles:
        raise Unacceptable("The filter cannot be applied.", errors=troubles)
    return cases
