"""The queue: what waits, what has come in since, and the next case."""

from __future__ import annotations

from datetime import UTC

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from moderation.console.doors import Request, actor, console_page, page_number
from moderation.console.queue.page import context
from moderation.selectors import queue as queues
from moderation.services.story import review


@require_GET
@console_page
def queue(request: Request) -> HttpResponse:
    found = queues.queue(request.user, page=page_number(request))
    return render(request, "console/queue.html", context(found))


@require_GET
@console_page
def news(request: Request) -> HttpResponse:
    """The notice of what has come in since the queue was drawn; the rows under the cursor never move by themselves."""
    try:
        said = parse_datetime(request.GET.get("since", ""))
        since = said.astimezone(UTC) if said is not None and said.tzinfo is not None else None
    except (ValueError, OverflowError):
        since = None
    count = queues.news(request.user, since) if since is not None else 0
    return render(request, "console/_news.html", {"count": count})


@require_POST
@console_page
def take_next(request: Request) -> HttpResponse:
    """Claim the most urgent free case, and go there."""
    case = review.claim_next(by=actor(request))
    if case is None:
        messages.info(request, _("Nothing waits that you could take now."))
        return redirect("console:queue")
    return redirect("console:case", case.pk)
