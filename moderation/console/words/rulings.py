"""Actions and rulings, in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from moderation.console.words.times import ago
from moderation.models import Decision
from moderation.models.actions import LABELS
from moderation.states import Outcome


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
