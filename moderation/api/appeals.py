"""appeals/: an author's or reporter's objection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of, said_of, versions_of
from moderation.models import Scope
from moderation.selectors.access import appeal_of
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
        case_id: UUID = at["case_id"]
        said = said_of(case_id, bodies.AppealBody(data=request.data), request)
        appeal = appeals.submit(case_id, by=actor_of(request), version=versions_of(request), **said)
        document = representations.appeal(appeal, request)
        return Response(document, status=201, headers={"Location": request.build_absolute_uri(document["url"])})


class OneAppeal(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(operation_id="get_appeal", summary="Read an appeal", responses={200: shapes.AppealShape})
    def get(self, request: Request, appeal_id: UUID) -> Response:
        return Response(representations.appeal(appeal_of(client_of(request), appeal_id), request))
