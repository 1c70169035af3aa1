"""policies/: the rules in force."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import representations, shapes
from moderation.api.doors import Door
from moderation.models import Scope
from moderation.services.desk.policies import current_versions


class Policies(Door):
    scopes = {"GET": Scope.CASES_READ}

    @extend_schema(
        operation_id="list_policies",
        summary="The policies in force",
        description="All of them, by slug; decisions name policies by their slugs.",
        responses={200: shapes.PolicyShape(many=True)},
    )
    def get(self, request: Request) -> Response:
        return Response([representations.policy(version) for version in current_versions()])
