"""The OpenAPI document, and the page that shows it from our own files."""

from __future__ import annotations

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request


class SchemaJson(SpectacularAPIView):
    """/api/schema/"""

    http_method_names = ["get", "head"]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = DefaultContentNegotiation


@method_decorator(
    # Swagger UI sets styles from its script. Scripts stay our own files, and nothing else is relaxed.
    csp_replace({"style-src": [SELF, "'unsafe-inline'"]}),
    name="dispatch",
)
class DocsPage(SpectacularSwaggerSplitView):
    """/api/docs/: Swagger UI out of the package, no outside file."""

    http_method_names = ["get", "head"]  # OPTIONS would look for a template to answer with
    content_negotiation_class = DefaultContentNegotiation

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(response, "exception", False):  # a problem document, whatever a page is written with
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)
