"""The OpenAPI document, and the page that shows it from our own files."""

from __future__ import annotations

from csp.constants import SELF
from csp.decorators import csp_replace
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer


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
