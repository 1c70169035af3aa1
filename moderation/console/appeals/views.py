"""The appeals that wait for their answer."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from moderation.console.appeals.page import context
from moderation.console.doors import Request, console_page, page_number
from moderation.selectors.open_appeals import open_appeals


@require_GET
@console_page
def appeals(request: Request) -> HttpResponse:
    """Those that wait for their answer, oldest first."""
    found = open_appeals(request.user, page=page_number(request))
    return render(request, "console/appeals.html", context(found))
