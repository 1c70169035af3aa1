"""One case: look, claim, decide, undo; and what supervisors do to it."""

from __future__ import annotations

import uuid
from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from moderation.console.case.answering import act, as_panel, choices, look, nameable, refused, show
from moderation.console.case.forms import DecisionForm, WhyForm, agreed, typed
from moderation.console.case.panels import APPEALS, ORDERS, ROLLBACK, UNDO, panel
from moderation.console.doors import Request, actor, console_page
from moderation.errors import ModerationError, NotFound, Unacceptable
from moderation.selectors import access
from moderation.services.orders import delivery
from moderation.services.story import appeals as objections
from moderation.services.story import review, rollback


@require_GET
@console_page
def case(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """`?seen=` the print of a page that looks again: 204 while nothing has changed. `?agree=1`: the agent's
    recommendation filled in, for browsers without JavaScript."""
    page = look(request, case_id)
    if request.htmx and request.GET.get("seen") == page.print:
        return HttpResponse(status=204)
    suggestion = agreed(page.assessment, choices(page)) if "agree" in request.GET else None
    return show(request, page, typed=suggestion if page.mine else None)


@require_POST
@console_page
def claim(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return act(request, case_id, lambda: review.claim(case_id, by=actor(request)), typed=typed(request.POST))


@require_POST
@console_page
def release(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return act(request, case_id, lambda: review.release(case_id, by=actor(request)))


@require_POST
@console_page
def undo(request: Request, case_id: uuid.UUID) -> HttpResponse:
    return act(request, case_id, lambda: review.undo(case_id, by=actor(request)), about=UNDO)


@require_POST
@console_page
def heartbeat(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """Prolong the claim of an open page. What was typed stays where it is: only a panel comes back, if anything."""
    try:
        review.renew(case_id, by=actor(request), claim_token=request.POST.get("claim_token", ""))
    except NotFound:
        raise
    except ModerationError as error:
        page = look(request, case_id)
        context = {"panel": panel(error, page), "page": page, "case": page.case}
        return as_panel(render(request, "console/_conflict.html", context, status=error.status))
    return HttpResponse(status=204)


@require_POST
@console_page
def decide(request: Request, case_id: uuid.UUID) -> HttpResponse:
    form = DecisionForm(request.POST, versions=nameable(request, case_id))
    if not form.is_valid():
        return refused(request, case_id, Unacceptable(""), form=form)
    version, token = request.POST.get("version", ""), request.POST.get("claim_token", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    ruling = form.ruling()
    return act(
        request,
        case_id,
        lambda: review.decide(case_id, ruling, by=actor(request), version=[seen], claim_token=token),
        form=form,
    )


@require_POST
@console_page
def inadmissible(request: Request, appeal_id: uuid.UUID) -> HttpResponse:
    """Close an appeal without judging it. What was typed into the decision meanwhile stays."""
    case_id = access.case_of_appeal(request.user, appeal_id)
    why = WhyForm(request.POST)

    def close() -> None:
        objections.declare_inadmissible(appeal_id, by=actor(request), reason=why.reason())

    return act(request, case_id, close, about=APPEALS, typed=typed(request.POST), why=why, at=str(appeal_id))


@require_POST
@console_page
def roll_back(request: Request, case_id: uuid.UUID) -> HttpResponse:
    """Take the decision back and open the case for somebody else."""
    why = WhyForm(request.POST)

    def back() -> None:
        reason = why.reason()
        rollback.roll_back(case_id, by=actor(request), reason=reason, keep_in_force=why.cleaned_data["keep_in_force"])

    return act(request, case_id, back, about=ROLLBACK, why=why)


@require_POST
@console_page
def replay(request: Request, order_id: uuid.UUID) -> HttpResponse:
    """Send an order again that could not be delivered."""
    case_id = access.case_of_order(request.user, order_id)
    again = partial(delivery.replay, order_id, by=actor(request))
    return act(request, case_id, again, about=ORDERS, typed=typed(request.POST))
