"""appeals/: an author's or reporter's objection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of, case_to_change
from moderation.models import Scope
from moderation.selectors.access import the_appeal
from moderation.services.story import appeals


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


class OneAppeal(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(operation_id="get_appeal", summary="Read an appeal", responses={200: shapes.AppealShape})
    def get(self, request: Request, appeal_id: UUID) -> Response:
        return Response(representations.appeal(the_appeal(appeal_id, client=client_of(request)), request))
