"""The house's own words (statuses, sides, flags, kinds of content), as moderators read them."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from moderation.models import Side
from moderation.models.case import ContentType
from moderation.models.policy import Severity
from moderation.selectors.case_page import CasePage
from moderation.states import AppealStatus, Outcome, Priority, Status

FLAGS = {
    "injection": gettext_lazy("Gives orders to the machine or to you"),
    "hidden_text": gettext_lazy("Hidden or disguised characters"),
    "mixed_script": gettext_lazy("Letters of different alphabets mixed"),
    "invented_quote": gettext_lazy("Quoted words that are not in the text"),
    "unknown_policy": gettext_lazy("Named a policy that does not exist"),
    "bad_rule": gettext_lazy("A rule could not be applied"),
    "contradiction": gettext_lazy("Contradicts itself"),
    "too_long": gettext_lazy("Longer than what was analysed"),
    "slow_rule": gettext_lazy("A rule ran out of time on this text"),
    "unscreened": gettext_lazy("Could not be searched for orders in time"),
}
_CONTENT_TYPES = {
    ContentType.TEXT: gettext_lazy("Text"),
    ContentType.POST: gettext_lazy("Post"),
    ContentType.COMMENT: gettext_lazy("Comment"),
    ContentType.MESSAGE: gettext_lazy("Message"),
    ContentType.PROFILE: gettext_lazy("Profile"),
    ContentType.REVIEW: gettext_lazy("Review"),
    ContentType.LISTING: gettext_lazy("Listing"),
    ContentType.OTHER: gettext_lazy("Other content"),
}

SIDES = {Side.AUTHOR: gettext_lazy("the author"), Side.REPORTER: gettext_lazy("a reporter")}


def appeal_status(name: str) -> str:
    return str(AppealStatus(name).label)


def side(name: str) -> str:
    return str(SIDES[Side(name)]) if name in Side.values else name


def analyst(name: str, model: str) -> str:
    """Who assessed it; the rules are honest about being rules."""
    if name == "rules":
        return _("built-in rules, not a model")
    return f"{name} ({model})" if model and model != name else name


def sureness(confidence: float) -> str:
    """A confidence as a word; the number stands beside it."""
    if confidence >= 0.85:
        return _("sure")
    return _("fairly sure") if confidence >= 0.6 else _("unsure")


def percent(share: float) -> str:
    return _("%(n)d %%") % {"n": round(100 * share)}


def severity(name: str) -> str:
    return str(Severity(name).label) if name in Severity.values else name


def priority(number: int) -> str:
    return str(Priority(number).label)


def content_type(name: str) -> str:
    return str(_CONTENT_TYPES[ContentType(name)]) if name in ContentType.values else name


def status(page: CasePage) -> str:
    """How the case stands, its outcome included."""
    case = page.case
    if case.status == Status.COMPLETED:
        return _("%(status)s: %(outcome)s") % {
            "status": Status(case.status).label,
            "outcome": Outcome(case.outcome).label,
        }
    return str(Status(case.status).label)
