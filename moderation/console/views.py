"""The moderators' door: parse, call, render. Every page works without JavaScript; htmx gets the fragment of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.middleware import HtmxDetails

from moderation.console import appeals_view, case_view, login_links, queue_view
from moderation.console.forms import DecisionForm, WhyForm, agreed, typed
from moderation.console.panels import APPEALS, DECISION, ORDERS, ROLLBACK, UNDO, panel
from moderation.errors import ModerationError, NotAllowed, NotFound, Unacceptable
from moderation.models import User
from moderation.selectors import access, open_appeals
from moderation.selectors import queue as queues
from moderation.selectors.case_page import CasePage, case_page
from moderation.services import appeals as objections
from moderation.services import delivery, policies, review, rollback


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


# --- doors -------------------------------------------------------------------------------------------------------


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


# --- the queue ---------------------------------------------------------------------------------------------------


@require_GET
@console_page
def queue(request: Request) -> HttpResponse:
    found = queues.queue(request.user, decider=_decider(request), page=_page_number(request))
    return render(request, "console/queue.html", queue_view.context(found))


@require_GET
@console_page
def appeals(request: Request) -> HttpResponse:
    """Those that wait for their answer, oldest first."""
    found = open_appeals.open_appeals(request.user, decider=_decider(request), page=_page_number(request))
    return render(request, "console/appeals.html", appeals_view.context(found))


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
    case = review.claim_next(request.user)
    if case is None:
        messages.info(request, _("Nothing waits that you could take now."))
        return redirect("console:queue")
    return redirect("console:case", case.pk)


# --- a case ------------------------------------------------------------------------------------------------------


@require_GET
@console_page
def case(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """`?seen=` the print of a page that looks again: 204 while nothing has changed. `?agree=1`: the agent's
    recommendation filled in, for browsers without JavaScript."""
    page = _look(request, case_id)
    if request.htmx and request.GET.get("seen") == page.print:
        return HttpResponse(status=204)
    suggestion = agreed(page.assessment, policies.current_versions()) if "agree" in request.GET else None
    return _render(request, page, typed=suggestion if page.mine else None)


@require_POST
@console_page
def claim(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return _act(request, case_id, lambda: review.claim(case_id, request.user), typed=typed(request.POST))


@require_POST
@console_page
def release(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return _act(request, case_id, lambda: review.release(case_id, request.user))


@require_POST
@console_page
def undo(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return _act(request, case_id, lambda: review.undo(case_id, request.user), about=UNDO)


@require_POST
@console_page
def heartbeat(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """Prolong the claim of an open page. What was typed stays where it is: only a panel comes back, if anything."""
    try:
        review.renew(case_id, request.user, claim_token=request.POST.get("claim_token", ""))
    except NotFound:
        raise
    except ModerationError as error:
        page = _look(request, case_id)
        context = {"panel": panel(error, page), "page": page, "case": page.case}
        return _as_panel(render(request, "console/_conflict.html", context, status=error.status))
    return HttpResponse(status=204)


@require_POST
@console_page
def decide(request: Request, case_id: uuid.UUID) -> HttpResponse:
    form = DecisionForm(request.POST, versions=policies.current_versions())
    if not form.is_valid():
        return _refused(request, case_id, Unacceptable(""), form=form)
    version, token = request.POST.get("version", ""), request.POST.get("claim_token", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    ruling = form.ruling()
    return _act(
        request,
        case_id,
        lambda: review.decide_in_console(case_id, request.user, ruling, claim_token=token, version=seen),
        form=form,
    )


@require_POST
@console_page
def inadmissible(request: Request, appeal_id: uuid.UUID) -> HttpResponse:
    """Close an appeal without judging it. What was typed into the decision meanwhile stays."""
    case_id = access.case_of_appeal(appeal_id, user=request.user)
    why = WhyForm(request.POST)

    @transaction.atomic
    def close() -> None:
        reason, name = why.reason(), request.user.get_username()
        appeal = access.locked_appeal(appeal_id, user=request.user)
        if appeal.decision is not None and appeal.decision.decider == review.fold(name):
            raise NotAllowed("This person made the decision that is appealed.", code="same_reviewer")
        objections.declare_inadmissible(appeal, reason=reason, actor=name)

    return _act(request, case_id, close, about=APPEALS, typed=typed(request.POST), why=why, at=str(appeal_id))


# --- what supervisors do to a case -------------------------------------------------------------------------------


@require_POST
@console_page
def roll_back(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """Take the decision back and open the case for somebody else."""
    why = WhyForm(request.POST)

    @transaction.atomic
    def back() -> None:
        _supervisors_only(request)
        reason = why.reason()
        rollback.roll_back(
            access.locked_case(case_id, user=request.user),
            reason=reason,
            requested_by=request.user.get_username(),
            keep_in_force=why.cleaned_data["keep_in_force"],
        )

    return _act(request, case_id, back, about=ROLLBACK, why=why)


@require_POST
@console_page
def replay(request: Request, order_id: uuid.UUID) -> HttpResponse:
    """Send an order again that could not be delivered."""
    case_id = access.case_of_order(order_id, user=request.user)

    def again() -> None:
        _supervisors_only(request)
        delivery.replay(order_id, actor=request.user.get_username())

    return _act(request, case_id, again, about=ORDERS, typed=typed(request.POST))


def _supervisors_only(request: Request) -> None:
    if not request.user.is_supervisor:
        raise NotAllowed("Only a supervisor can do this.", code="supervisors_only")


# --- how all of them answer --------------------------------------------------------------------------------------


def _act(
    request: Request,
    case_id: uuid.UUID,
    verb: Callable[[], object],
    *,
    typed: dict[str, Any] | None = None,
    form: DecisionForm | None = None,
    about: str = DECISION,
    why: WhyForm | None = None,
    at: str = "",
) -> HttpResponse:
    """`about`: the part of the page where the button is. `why`: the reason sent with it, `at`: see case_view."""
    try:
        verb()
    except NotFound:
        raise
    except ModerationError as error:
        return _refused(request, case_id, error, form=form, typed=typed, about=about, why=why, at=at)
    # With something typed there is no redirect, which would lose it: a claim changes nothing when it is sent again.
    if request.htmx or typed:
        return _render(request, _look(request, case_id), typed=typed, focus=about)
    return redirect("console:case", case_id)


def _refused(
    request: Request,
    case_id: uuid.UUID,
    error: ModerationError,
    *,
    form: DecisionForm | None = None,
    typed: dict[str, Any] | None = None,
    about: str = DECISION,
    why: WhyForm | None = None,
    at: str = "",
) -> HttpResponse:
    """The page as it is now, under a panel that says what happened, with everything typed kept."""
    page = _look(request, case_id)
    if form is not None:
        typed = typed_in(form)
        if isinstance(error, Unacceptable) and form.is_valid():
            form.refuse(error)
    shown = {"panel": panel(error, page, about=about), "why": why, "at": at}
    return _as_panel(
        _render(request, page, status=error.status, typed=typed, form=form if page.mine else None, **shown)
    )


def typed_in(form: DecisionForm) -> dict[str, Any]:
    return typed(form.data)  # type: ignore[arg-type]


def _look(request: Request, case_id: uuid.UUID) -> CasePage:
    return case_page(case_id, request.user, decider=_decider(request))


def _decider(request: Request) -> str:
    return review.fold(request.user.get_username())


def _page_number(request: Request) -> int:
    number = request.GET.get("page", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1


def _render(request: Request, page: CasePage, *, status: int = 200, **more: Any) -> HttpResponse:
    whole = not request.htmx or request.htmx.history_restore_request
    context = case_view.context(page, request.user, versions=policies.current_versions(), **more)
    return render(request, "console/case.html" if whole else "console/_case.html", context, status=status)


def _as_panel(response: HttpResponse) -> HttpResponse:
    """Our script swaps 403 and 412 in as well when they say that they are panels (and not, say, a CSRF failure)."""
    response["X-Guardian-Panel"] = "1"
    return response
