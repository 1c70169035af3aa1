"""Logging in, and to the right place by role."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from moderation.console import login_links
from moderation.console.doors import Request


@never_cache
def home(request: Request) -> HttpResponse:
    """To the right place by role."""
    if not request.user.is_authenticated:
        return redirect("login")
    return redirect("admin:index" if request.user.is_supervisor else "console:queue")


@require_GET
@never_cache
@transaction.atomic
def login_link(request: Request, token: str) -> HttpResponse:
    """Log in by a one-time link of the demo."""
    if not login_links.allowed(request):
        raise Http404
    user = login_links.redeem(token)
    if user is None:
        messages.warning(request, _("This link has been used already, or is too old. Log in with name and password."))
        return redirect("login")
    login(request, user)
    return redirect("home")
