"""The webhooks as the OpenAPI document tells them, and the page that shows the document from our own files."""

from __future__ import annotations

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiWebhook, extend_schema, inline_serializer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers as s
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer

from moderation.api import shapes

# --- webhooks ----------------------------------------------------------------------------------------------------


class OrderData(s.Serializer):
    order_id = s.UUIDField()
    action = s.CharField()
    params = s.DictField()
    case_id = s.UUIDField()
    content_id = s.CharField()
    author_id = s.CharField()
    decision_id = s.UUIDField()
    sequence = s.IntegerField(help_text="Rises per content and per author")
    reverses = s.UUIDField(required=False, help_text="In a reversal: the order it undoes")


class CaseData(s.Serializer):
    case_id = s.UUIDField()
    content_id = s.CharField()
    author_id = s.CharField()
    status = s.CharField()
    outcome = s.CharField(allow_null=True)
    round = s.IntegerField()
    version = s.IntegerField()
    reporters = s.ListField(child=s.CharField(), required=False)
    statement = shapes.StatementShape(required=False, allow_null=True)


class AppealData(s.Serializer):
    appeal_id = s.UUIDField()
    case_id = s.UUIDField()
    content_id = s.CharField()
    appellant_id = s.CharField()
    side = s.CharField()
    status = s.CharField()
    answer = s.CharField(allow_null=True)


class Confirmation(s.Serializer):
    result = s.ChoiceField(choices=["applied", "already", "refused"], required=False)
    detail = s.CharField(required=False)


def _webhook(name: str, summary: str, data: Any) -> OpenApiWebhook:
    word = "".join(part.title() for part in name.replace("_", ".").split("."))
    body = inline_serializer(f"{word}Webhook", {"type": s.CharField(), "timestamp": s.DateTimeField(), "data": data})
    return OpenApiWebhook(
        name=name,
        decorator=extend_schema(
            summary=summary,
            description="Standard Webhooks: verify `webhook-signature`; a 2xx confirms, anything else is tried again "
            "with the same `webhook-id`.",
            request=body,
            responses={200: Confirmation},
        ),
    )


WEBHOOKS = [
    _webhook("action.apply", "Carry an action out", OrderData()),
    _webhook("action.reverse", "Take an action back", OrderData()),
    _webhook("case.review_requested", "A case waits for a human", CaseData()),
    _webhook("case.completed", "A case has ended", CaseData()),
    _webhook("case.reopened", "A case is reviewed again", CaseData()),
    _webhook("appeal.received", "Somebody appealed", AppealData()),
    _webhook("appeal.decided", "An appeal has its answer", AppealData()),
    _webhook("ping", "Only to try the endpoint", s.DictField()),
]


# --- the pages ---------------------------------------------------------------------------------------------------


class SchemaJson(SpectacularAPIView):
    """/api/schema/"""

    renderer_classes = [JSONRenderer]
    content_negotiation_class = DefaultContentNegotiation


@method_decorator(
    # Swagger UI sets styles from its script. Scripts stay our own files, and nothing else is relaxed.
    csp_replace({"style-src": [SELF, "'unsafe-inline'"]}),
    name="dispatch",
)
class DocsPage(SpectacularSwaggerSplitView):
    """/api/docs/: Swagger UI out of the package, no outside file."""

    content_negotiation_class = DefaultContentNegotiation
