"""What did not work, said calmly: what happened, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from moderation.console import words
from moderation.errors import ModerationError, Unacceptable
from moderation.selectors.case_page import CasePage
from moderation.services.story.review import CLAIM

DECISION, UNDO, ROLLBACK, ORDERS, APPEALS = "decision", "undo", "rollback", "orders", "appeals"


@dataclass(frozen=True)
class Panel:
    """`status`: the answer's HTTP status. `place`: the part of the page it stands in, beside what was pressed."""

    title: str
    text: str
    status: int
    place: str = DECISION


def panel(error: ModerationError, page: CasePage, *, about: str = DECISION) -> Panel:
    """`error` as the person who met it should read it, with the case as it is now. `about`: what they wanted to do."""
    title, text = _TOLD[about](error, page)
    return Panel(title, text, error.status, DECISION if about == UNDO else about)


def _said(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if isinstance(error, Unacceptable):
        return _("Not accepted yet"), _("Nothing was changed. See the fields marked below.")
    if error.code == "same_reviewer":
        return _("Somebody else must decide this"), barred()
    if error.code == "claimed" or (error.code == "claim_lost" and page.reader and not page.mine):
        return _("%(name)s is reading this case") % {"name": page.reader or _("Somebody else")}, _(
            "What you typed was kept. The case is free again when %(name)s lets go of it, at most %(span)s after "
            "closing it. Take the next case meanwhile."
        ) % {"name": page.reader or _("Somebody else"), "span": words.span(CLAIM.total_seconds())}
    if error.code == "claim_lost":
        return _("Your claim has run out"), _(
            "Nothing was changed, and what you typed was kept. Claim it again to decide."
        )
    if error.code == "precondition_failed":
        return _("The case has changed since you opened it"), _(
            "Nothing was changed, and what you typed was kept. Look at the case again, then decide."
        )
    if error.code == "illegal_move":
        return _moved_on(page)
    return str(error.title), error.detail


def _moved_on(page: CasePage) -> tuple[str, str]:
    if page.case.decision is not None:
        return _("This case is decided"), words.decided(page.case.decision, page.now)
    return _("This case does not wait for review"), _("It stands at: %(status)s.") % {"status": words.status(page)}


def _undo(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if error.code == "illegal_move":
        return _("Too late to undo"), _(
            "The decision is being carried out, and stands. A supervisor can have it rolled back for a second review."
        )
    if error.code == "not_allowed":
        return _("Not yours to undo"), _("Only the person who decided can undo it.")
    return _said(error, page)


def _roll_back(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if isinstance(error, Unacceptable):
        return _("A reason is needed"), error.detail
    if error.code == "illegal_move":
        return _("Not possible now"), _("It stands at: %(status)s. Nothing was changed; try again in a moment.") % {
            "status": words.status(page)
        }
    return _elsewhere(error, page)


def _order(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if error.code == "superseded":
        return _("Overtaken by something newer"), _(
            "It is not sent again: something was decided later about the same subject, and stands. Nothing was changed."
        )
    if error.code == "illegal_move":
        return _("It has not failed"), _("Only what could not be delivered can be sent again. See how it stands below.")
    return _elsewhere(error, page)


def _appeal(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if isinstance(error, Unacceptable):
        return _("A reason is needed"), error.detail
    if error.code == "illegal_move":
        return _("This appeal is closed"), _("Somebody was faster. What became of it stands below.")
    if error.code == "same_reviewer":
        return _("Somebody else must close this"), barred()
    return _elsewhere(error, page)


def _elsewhere(error: ModerationError, page: CasePage) -> tuple[str, str]:
    if error.code == "supervisors_only":
        return _("For supervisors"), _("Ask a supervisor to do this. Nothing was changed.")
    return _said(error, page)


def barred() -> str:
    return _("You made the decision that is under review. The second look belongs to another pair of eyes.")


_TOLD = {DECISION: _said, UNDO: _undo, ROLLBACK: _roll_back, ORDERS: _order, APPEALS: _appeal}
