"""The lines of a case's history, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from moderation.console.words.names import side
from moderation.console.words.rulings import actions, ruling
from moderation.models import Side
from moderation.selectors.timeline import ERASED, Line
from moderation.states import AppealStatus

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

ACTORS = {"agent": gettext_lazy("the agent"), "guardian": gettext_lazy("Guardian")}


def event(row: Line) -> str:
    """One line of the history. An event nobody has words for yet is shown by its type."""
    say = _EVENTS.get(row.type)
    return say({key: _said(value) for key, value in row.data.items()}) if say else row.type


def _said(value: Any) -> Any:
    return _("erased") if value == ERASED else value


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
    "order.landed_late": _named(gettext_lazy("It came after its reversal, or may have; put right: %(actions)s")),
    "order.cancelled": _named(gettext_lazy("Not to be sent again after all: %(actions)s")),
    "order.reversed": _named(gettext_lazy("Taken back with another case: %(actions)s")),
    "order.expired": _named(gettext_lazy("Its time is over: %(actions)s")),
    "order.replayed": _named(gettext_lazy("Sent again: %(actions)s")),
    "client.created": lambda data: _("App made."),
    "client.changed": lambda data: _("App changed: %(fields)s.") % {"fields": ", ".join(data.get("fields", []))},
    "client.key_made": lambda data: _("API key %(key)s made.") % {"key": data.get("key", "")},
    "client.key_rotated": lambda data: _("API key %(key)s given a successor.") % {"key": data.get("key", "")},
    "client.key_revoked": lambda data: _("API key %(key)s revoked.") % {"key": data.get("key", "")},
    "client.secret_rotated": lambda data: _("Webhook secret rotated."),
    "policy.added": lambda data: _("Policy added."),
    "policy.published": lambda data: _("Version %(number)s of a policy published.") % {"number": data.get("number")},
    "policy.retired": lambda data: _("Policy retired."),
    "policy.revived": lambda data: _("Policy in force again."),
    "person.created": lambda data: _("Account made."),
    "person.changed": lambda data: _("Account changed: %(fields)s.") % {"fields": ", ".join(data.get("fields", []))},
    "person.role_changed": lambda data: _("Role changed: %(role)s.") % {"role": data.get("role", "")},
    "person.closed": lambda data: _("Account closed."),
    "person.opened": lambda data: _("Account opened again."),
    "person.link_made": lambda data: _("Link to set a password made."),
    "person.password_set": lambda data: _("Password set."),
    "person.logged_out": lambda data: _("Logged out in every browser."),
    "appeal.received": lambda data: _("An appeal came in."),
    "appeal.decided": _appeal_event,
    "erased": lambda data: _("Words were erased."),
}


def actor(name: str, *, called: bool = False) -> str:
    """Who it was. `called`: somebody's own name, whatever it reads like."""
    kind, _colon, rest = name.partition(":")
    if kind in Side.values and rest:
        return f"{rest} ({side(kind)})"
    if name == ERASED:
        return _("erased")
    name = name.removeprefix("client:")
    return name if called else str(ACTORS.get(name, name))
