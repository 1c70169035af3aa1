"""The door for those who are judged: the status page of an appeal, without a log-in, behind an unguessable address."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

from moderation.errors import NotFound
from moderation.public.status import told
from moderation.selectors.access import the_appeal_behind
from moderation.selectors.languages import two_letters


@require_safe
def appeal_status(request: HttpRequest, token: str) -> HttpResponse:
    """What was decided, by which rule, whether a machine was involved, how the appeal stands, and the answer."""
    try:
        appeal = the_appeal_behind(token)
    except NotFound as error:
        raise Http404 from error
    known = [code for code, _ in settings.LANGUAGES]
    asked = two_letters(request.GET.get("lang", appeal.language))
    language = asked if asked in known else two_letters(translation.get_language_from_request(request))
    with translation.override(language):
        response = render(request, "appeals/status.html", {"told": told(appeal), "languages": settings.LANGUAGES})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Content-Language"] = language
    return response
