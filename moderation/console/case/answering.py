"""How every press of a button on a case is answered: the page as it is now, or a panel, with what was typed kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render

from moderation.console.case import page as case_page_words
from moderation.console.case.forms import DecisionForm, WhyForm, typed
from moderation.console.case.panels import DECISION, panel
from moderation.console.doors import Request
from moderation.errors import ModerationError, NotFound, Unacceptable
from moderation.models import PolicyVersion
from moderation.selectors.access import case_for
from moderation.selectors.case_page import CasePage, case_page
from moderation.services.desk import policies


def act(
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
        return refused(request, case_id, error, form=form, typed=typed, about=about, why=why, at=at)
    # With something typed there is no redirect, which would lose it: a claim changes nothing when it is sent again.
    if request.htmx or typed:
        return show(request, look(request, case_id), typed=typed, focus=about)
    return redirect("console:case", case_id)


def refused(
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
    page = look(request, case_id)
    if form is not None:
        typed = typed_in(form)
        if isinstance(error, Unacceptable) and form.is_valid():
            form.refuse(error)
    shown = {"panel": panel(error, page, about=about), "why": why, "at": at}
    return as_panel(show(request, page, status=error.status, typed=typed, form=form if page.mine else None, **shown))


def typed_in(form: DecisionForm) -> dict[str, Any]:
    return typed(form.data)  # type: ignore[arg-type]


def look(request: Request, case_id: uuid.UUID) -> CasePage:
    return case_page(case_id, request.user)


def choices(page: CasePage) -> list[PolicyVersion]:
    """The policies that a decision on this case can name, in their fixed order."""
    return list(policies.known_here(page.case.pk, page.assessment).values())


def nameable(request: Request, case_id: uuid.UUID) -> list[PolicyVersion]:
    """The same, without the rest of the page. Raises NotFound."""
    case = case_for(request.user, case_id)
    return list(policies.known_here(case.pk, case.assessments.order_by("-round").first()).values())


def show(request: Request, page: CasePage, *, status: int = 200, **more: Any) -> HttpResponse:
    whole = not request.htmx or request.htmx.history_restore_request
    context = case_page_words.context(page, request.user, versions=choices(page), **more)
    return render(request, "console/case.html" if whole else "console/_case.html", context, status=status)


def as_panel(response: HttpResponse) -> HttpResponse:
    """Our script swaps 403 and 412 in as well when they say that they are panels (and not, say, a CSRF failure)."""
    response["X-Guardian-Panel"] = "1"
    return response
