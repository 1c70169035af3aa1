"""Every door of the house."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.defaults import bad_request

from moderation.api import docs, health, metrics, problems

urlpatterns = [
    path("api/v1/", include("moderation.api.urls")),
    path("api/schema/", docs.SchemaJson.as_view(), name="schema"),
    path("api/docs/", docs.DocsPage.as_view(url_name="schema"), name="docs"),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("", include("moderation.public.urls")),
    path("", include("moderation.console.urls")),  # first: the one log-in page is the console's
    path("admin/", admin.site.urls),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("moderation.demo.urls")))


def handler400(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A host that is not ours, and what else Django itself finds suspicious."""
    if request.path.startswith("/api/"):
        return problems.bad_request(request)
    return bad_request(request, exception or SuspiciousOperation())


def handler404(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problems.not_found(request)
    return render(request, "404.html", status=404)


def handler500(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problems.server_error(request)
    return render(request, "500.html", status=500)
