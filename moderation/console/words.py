"""What happened, in words for moderators: times, rulings, orders, events. Every sentence is translated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from moderation.lifecycle import (
    IN_LINE,
    AppealStatus,
    Direction,
    OrderStatus,
    Outcome,
    Priority,
    RunKind,
    Status,
)
from moderation.models import Attempt, Decision, Event, Order, Run, Side
from moderation.models.actions import LABELS
from moderation.models.case import REVIEW_HOURS, ContentType
from moderation.models.policy import Severity
from moderation.selectors.case_page import CasePage

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

FLAGS = {
    "injection": gettext_lazy("Gives orders to the machine or to you"),
    "hidden_text": gettext_lazy("Hidden or disguised characters"),
    "mixed_script": gettext_lazy("Letters of different alphabets mixed"),
    "invented_quote": gettext_lazy("Quoted words that are not in the text"),
    "unknown_policy": gettext_lazy("Named a policy that does not exist"),
    "bad_rule": gettext_lazy("A rule could not be applied"),
    "contradiction": gettext_lazy("Contradicts itself"),
    "too_long": gettext_lazy("Longer than what was analysed"),
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


@dataclass(frozen=True)
class Line:
    """One line of a list: what, how it stands, and what more there is to say. `tone`: good, bad, waiting or quiet."""

    what: str
    status: str
    tone: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Due:
    """When somebody should have decided. `tone`: late, soon or calm."""

    text: str
    tone: str


# --- times -------------------------------------------------------------------------------------------------------


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit: `40 s`, `18 min`, `3 h`, `2 d`."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return _("%(n)d s") % {"n": seconds}
    if seconds < 2 * 3600:
        return _("%(n)d min") % {"n": seconds // 60}
    if seconds < 48 * 3600:
        return _("%(n)d h") % {"n": seconds // 3600}
    return _("%(n)d d") % {"n": seconds // 86400}


def ago(moment: datetime, now: datetime) -> str:
    return _("%(span)s ago") % {"span": span((now - moment).total_seconds())}


def due(due_at: datetime, now: datetime, priority: int) -> Due:
    """How much is left, or how late it is; `soon` in the last fifth of the time that the priority gives."""
    left = (due_at - now).total_seconds()
    if left < 0:
        return Due(_("%(span)s late") % {"span": span(-left)}, "late")
    tone = "soon" if left < REVIEW_HOURS[priority] * 3600 / 5 else "calm"
    return Due(_("%(span)s left") % {"span": span(left)}, tone)


# --- rulings and orders ------------------------------------------------------------------------------------------


def action(name: str, params: dict[str, Any] | None = None) -> str:
    """An action with its days: `Suspend the author for 7 days`."""
    label = str(LABELS.get(name, name))
    days = (params or {}).get("days")
    if not isinstance(days, int):
        return label
    return ngettext("%(action)s for %(days)d day", "%(action)s for %(days)d days", days) % {
        "action": label,
        "days": days,
    }


def actions(items: list[Any]) -> list[str]:
    """The actions of a ruling or of a recommendation, in words."""
    return [action(item) if isinstance(item, str) else action(item["action"], item.get("params")) for item in items]


def ruling(outcome: str, items: list[Any]) -> str:
    """`Violation: Remove the content, Warn the author`."""
    label = str(Outcome(outcome).label) if outcome in Outcome.values else outcome
    if outcome != Outcome.VIOLATION:
        return label
    return _("%(outcome)s: %(actions)s") % {
        "outcome": label,
        "actions": ", ".join(actions(items)) or _("no action"),
    }


def decided(decision: Decision, now: datetime) -> str:
    """`Decided by ben 12 s ago: Violation: Remove the content.`"""
    return _("Decided by %(name)s %(ago)s: %(ruling)s.") % {
        "name": decision.decided_by,
        "ago": ago(decision.decided_at, now),
        "ruling": ruling(decision.outcome, decision.actions),
    }


_TONES = {
    OrderStatus.APPLIED: "good",
    OrderStatus.ALREADY: "good",
    OrderStatus.REVERSED: "good",
    OrderStatus.REFUSED: "bad",
    OrderStatus.FAILED: "bad",
    OrderStatus.IRREVERSIBLE: "bad",
    OrderStatus.PLANNED: "waiting",
    OrderStatus.DELIVERING: "waiting",
    OrderStatus.REVERSING: "waiting",
}


def order(row: Order, page: CasePage, *, beside: bool = False) -> Line:
    """An order as a line: what it asks, how it stands, and why it does not go on if it does not. `beside`: it stands
    below the action it takes back, which then need not be named."""
    what = action(row.action, row.params)
    if row.direction == Direction.REVERSE and row.undoes is not None and not beside:
        what = _("%(action)s (takes back: %(undone)s)") % {"action": what, "undone": action(row.undoes.action)}
    more = [text for say in (_waiting, _attempts, _trouble, _detail) if (text := say(row, page))]
    tone = "bad" if row.status in IN_LINE and row.last_error else _TONES.get(OrderStatus(row.status), "quiet")
    # A failing order is `planned` again until its next try: that word would hide what is going on.
    failing = row.status == OrderStatus.PLANNED and row.attempts and row.last_error
    return Line(what, _("Delivery keeps failing") if failing else str(OrderStatus(row.status).label), tone, tuple(more))


def _waiting(row: Order, page: CasePage) -> str:
    if row.status not in IN_LINE:
        return ""
    if any(other.status in IN_LINE and other.place < row.place for other in page.orders):
        return _("Waits for the order before it.")
    if row.pk in page.stuck:
        return _("Waits for another case's order about the same subject.")
    if not page.case.client.webhook_url:
        return _("Waits for the client, which fetches its orders itself.")
    if row.attempts and row.status == OrderStatus.PLANNED:
        wait = (row.due_at - page.now).total_seconds()
        return _("Tried again in %(span)s.") % {"span": span(wait)} if wait > 0 else _("Tried again now.")
    return ""


def _attempts(row: Order, page: CasePage) -> str:
    worth = row.attempts > 1 or (row.attempts and row.last_error)
    return ngettext("Tried %(n)d time.", "Tried %(n)d times.", row.attempts) % {"n": row.attempts} if worth else ""


def _trouble(row: Order, page: CasePage) -> str:
    return _("Last answer: %(error)s") % {"error": row.last_error} if row.last_error else ""


def _detail(row: Order, page: CasePage) -> str:
    return _("The client says: %(detail)s") % {"detail": row.detail} if row.detail else ""


def attempt(row: Attempt) -> Line:
    """One try to deliver an order: what came back, and how long it took."""
    status = _("HTTP %(status)d") % {"status": row.http_status} if row.http_status else ""
    took = _("%(n)d ms") % {"n": row.milliseconds}
    if not row.result:
        return Line(status or row.error, took, "bad")
    said = str(OrderStatus(row.result).label) if row.result in OrderStatus.values else row.result
    return Line(f"{status} · {said}" if status else said, took, "bad" if row.result == OrderStatus.REFUSED else "good")


def struggle(run: Run, now: datetime) -> str:
    """A leg of the agent's work that keeps failing."""
    wait = (run.due_at - now).total_seconds()
    return _("%(leg)s has failed %(times)s and is tried again %(when)s. Last error: %(error)s") % {
        "leg": RunKind(run.kind).label,
        "times": ngettext("%(n)d time", "%(n)d times", run.attempts) % {"n": run.attempts},
        "when": _("in %(span)s") % {"span": span(wait)} if wait > 0 else _("now"),
        "error": run.last_error,
    }


# --- the history -------------------------------------------------------------------------------------------------


def event(row: Event) -> str:
    """One line of the history. An event nobody has words for yet is shown by its type."""
    say = _EVENTS.get(row.type)
    return say(row.data) if say else row.type


def _decision_event(data: dict[str, Any]) -> str:
    said = _("Decided: %(ruling)s.") % {"ruling": ruling(data.get("outcome", ""), data.get("actions", []))}
    return _("%(said)s Over the API.") % {"said": said} if data.get("via") == "api" else said


def _appeal_event(data: dict[str, Any]) -> str:
    status = data.get("status", "")
    if status not in AppealStatus.values:
        return _("The appeal was closed.")
    return _("The appeal was closed: %(status)s.") % {"status": AppealStatus(status).label}


def _named(before: StrPromise) -> Callable[[dict[str, Any]], str]:
    """`before` is a lazy sentence with a place for the actions of an event."""

    def say(data: dict[str, Any]) -> str:
        items = data.get("orders") or [{"action": data.get("action", "")}]
        said = str(before) % {"actions": ", ".join(actions(items))}
        why = data.get("error") or data.get("detail")
        return _("%(said)s: %(why)s") % {"said": said, "why": why} if why else said

    return say


def _with_reason(before: StrPromise) -> Callable[[dict[str, Any]], str]:
    def say(data: dict[str, Any]) -> str:
        why = data.get("reason") or data.get("failure") or data.get("why")
        return _("%(said)s: %(why)s") % {"said": before, "why": why} if why else str(before)

    return say


_EVENTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "case.accepted": lambda data: _("Received."),
    "case.reported": lambda data: _("Reported by %(name)s.") % {"name": data.get("reporter_id", "")},
    "case.review_requested": _with_reason(gettext_lazy("Handed to a human")),
    "case.cleared": lambda data: _("Cleared by the agent, without a human."),
    "case.claimed": lambda data: _("Claimed."),
    "case.released": lambda data: _("Claim released."),
    "case.decided": _decision_event,
    "case.decision_undone": lambda data: _("The decision was taken back inside its undo window."),
    "case.completed": lambda data: _("Completed."),
    "case.rollback_requested": _with_reason(gettext_lazy("Rollback requested")),
    "case.reopened": lambda data: _("Reopened for review, round %(round)s.") % {"round": data.get("round", "")},
    "case.withdrawn": _with_reason(gettext_lazy("Withdrawn")),
    "order.planned": _named(gettext_lazy("Ordered: %(actions)s")),
    "order.reversals_planned": _named(gettext_lazy("To be taken back: %(actions)s")),
    "order.delayed": _named(gettext_lazy("Not delivered yet, tried again: %(actions)s")),
    "order.failed": _named(gettext_lazy("Could not be delivered: %(actions)s")),
    "order.applied": _named(gettext_lazy("The client has done it: %(actions)s")),
    "order.already": _named(gettext_lazy("It was so already: %(actions)s")),
    "order.refused": _named(gettext_lazy("The client refused: %(actions)s")),
    "agent.thread_rebuilt": _with_reason(gettext_lazy("The agent's memory of this case was rebuilt")),
    "order.replayed": _named(gettext_lazy("Sent again: %(actions)s")),
    "appeal.received": lambda data: _("An appeal came in."),
    "appeal.decided": _appeal_event,
}

SIDES = {Side.AUTHOR: gettext_lazy("the author"), Side.REPORTER: gettext_lazy("a reporter")}
ACTORS = {"agent": gettext_lazy("the agent"), "guardian": gettext_lazy("Guardian")}


def appeal_status(name: str) -> str:
    return str(AppealStatus(name).label)


def side(name: str) -> str:
    return str(SIDES[Side(name)]) if name in Side.values else name


def actor(name: str) -> str:
    kind, _colon, rest = name.partition(":")
    if kind in Side.values and rest:
        return f"{rest} ({side(kind)})"
    return str(ACTORS.get(name, name.removeprefix("client:")))


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
