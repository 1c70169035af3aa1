"""Logging in and out, the first password, and to the right place by role."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from moderation.console import login_links
from moderation.console.doors import Request
from moderation.rights import Actor
from moderation.services.desk import people
from moderation.states import Door


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


class LogIn(LoginView):
    """The one log-in page, for the console and for the admin."""

    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        wait = getattr(self.request, "password_wait", 0)
        if not wait:
            return super().form_invalid(form)
        minutes = -(-wait // 60)
        context = self.get_context_data(form=form, wait_minutes=minutes)
        response = render(self.request, "registration/login.html", context, status=429)
        response["Retry-After"] = str(wait)
        return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def session(request: Request) -> HttpResponse:
    """How long the session lasts, in a header; a POST is somebody who wants to stay."""
    return HttpResponse(status=204 if request.user.is_authenticated else 401)


@require_POST
@never_cache
def log_out_everywhere(request: Request) -> HttpResponse:
    """End every session of this person, this one included."""
    if request.user.is_authenticated:
        people.log_out_everywhere(request.user.pk, by=Actor.of_user(request.user, Door.CONSOLE))
        messages.success(request, _("You are logged out in every browser."))
    return redirect("login")


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_password(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind a one-time link: choose a password, and then log in with it. Nothing of it is stored or told."""
    user = people.behind_link(token)
    form = SetPasswordForm(user, request.POST or None) if user is not None else None
    if form is not None and request.method == "POST" and form.is_valid():
        user = people.set_password_by_link(token, form.cleaned_data["new_password1"])
        if user is not None:
            messages.success(request, _("Your password is set. Log in with it."))
            return redirect("login")
        form = None
    status = 404 if form is None else 422 if form.is_bound else 200
    response = render(request, "registration/set_password.html", {"form": form, "person": user}, status=status)
    response["Cache-Control"] = "no-store"
    # Not no-referrer: browsers would then send the form from nowhere ("Origin: null"), and Django refuses that.
    response["Referrer-Policy"] = "same-origin"
    return response
