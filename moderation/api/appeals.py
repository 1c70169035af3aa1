"""appeals/: an author's or reporter's objection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of, case_to_change
from moderation.api.paging import PAGED, PAGING, Pages
from moderation.errors import FieldTrouble, Unacceptable
from moderation.models import Scope
from moderation.selectors.access import appeals_of, the_appeal
from moderation.services.story import appeals
from moderation.states import AppealStatus


class CaseAppeals(PostDoor):
    scopes = {"POST": Scope.APPEALS_WRITE}

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
        case = case_to_change(request, at["case_id"])
        body = bodies.AppealBody(data=request.data)
        body.is_valid(raise_exception=True)
        appeal = appeals.submit(case, **body.validated_data, by=actor_of(request))
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
        return Response(representations.appeal(the_appeal(appeal_id, client=client_of(request)), request))
