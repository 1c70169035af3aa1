"""appeals/: an author's or reporter's objection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of, said_of, versions_of
from moderation.api.paging import PAGED, PAGING, Pages
from moderation.errors import FieldTrouble, Unacceptable
from moderation.models import Scope
from moderation.rights import Verb, scope_of
from moderation.selectors.access import appeal_of, appeals_of
from moderation.services.story import appeals
from moderation.states import AppealStatus


class CaseAppeals(PostDoor):
    scopes = {"POST": scope_of(Verb.APPEAL)}

    @extend_schema(
        operation_id="appeal",
        summary="Appeal the decision on a case",
        description="403 `not_a_party`; 409 `already_appealed`, `window_closed`, `final`.",
        request=bodies.AppealBody,
        responses={201: shapes.AppealShape},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        case_id: UUID = at["case_id"]
        said = said_of(case_id, bodies.AppealBody(data=request.data), request)
        appeal = appeals.submit(case_id, by=actor_of(request), version=versions_of(request), **said)
        document = representations.appeal(appeal, request)
        return Response(document, status=201, headers={"Location": request.build_absolute_uri(document["url"])})


class Appeals(Door):
    scopes = {"GET": Scope.CASES_READ}
    parameters = PAGED | {"status"}

    @extend_schema(
        operation_id="list_appeals",
        summary="List appeals, newest first",
        parameters=[OpenApiParameter("status", str, enum=AppealStatus.values), *PAGING],
        responses={200: shapes.AppealPage},
    )
    def get(self, request: Request) -> Response:
        page, found = Pages(), appeals_of(client_of(request))
        asked = request.query_params.get("status")
        if asked is not None and asked not in AppealStatus.values:
            known = FieldTrouble("/status", f"Must be one of {', '.join(AppealStatus.values)}.")
            raise Unacceptable("The filter cannot be applied.", errors=[known])
        rows = page.paginate_queryset(found.filter(status=asked) if asked else found, request, view=self)
        return page.get_paginated_response([representations.appeal(row, request) for row in rows or []])


class OneAppeal(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(operation_id="get_appeal", summary="Read an appeal", responses={200: shapes.AppealShape})
    def get(self, request: Request, appeal_id: UUID) -> Response:
        return Response(representations.appeal(appeal_of(client_of(request), appeal_id), request))
