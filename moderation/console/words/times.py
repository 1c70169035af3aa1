"""Lengths of time and due dates, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from moderation.models.case import REVIEW_HOURS


@dataclass(frozen=True)
class Due:
    """When somebody should have decided. `tone`: late, soon or calm."""

    text: str
    tone: str


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
