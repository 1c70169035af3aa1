"""What every page of the moderators' door shares: who may enter, and that no browser keeps it.

Every page works without JavaScript; htmx gets the fragment of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from moderation.errors import NotFound
from moderation.models import User
from moderation.rights import Actor
from moderation.states import Door


class Request(HttpRequest):
    """A request of somebody who is logged in."""

    htmx: HtmxDetails
    user: User


def console_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For people who are logged in only, never stored by a browser: it is other people's content."""

    @wraps(view)
    def inner(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            try:
                response = view(request, *args, **kwargs)
            except NotFound as error:
                raise Http404 from error
        elif request.htmx:
            # A redirect would put the log-in page into the fragment, over what somebody has typed.
            response = HttpResponse(status=401)
        else:
            # After logging in, one can come back to a page, but not to a press of a button.
            back = reverse("console:case", kwargs=kwargs) if "case_id" in kwargs else reverse("console:queue")
            response = redirect_to_login(request.get_full_path() if request.method == "GET" else back)
        response["Cache-Control"] = "no-store"
        patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
        return response

    return inner


def actor(request: Request) -> Actor:
    return Actor.of_user(request.user, Door.CONSOLE)


def page_number(request: Request) -> int:
    number = request.GET.get("page", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
