"""The registry of enforcement actions, as data (contract section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class SubjectKind(TextChoices):
    """What an action acts on."""

    CONTENT = "content", _("Content")
    AUTHOR = "author", _("Author")


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `reversed_by` empty: it cannot be taken back. `takes_days`: it ends by itself after `days`.
    `weight` orders them from mild to harsh, to tell whether a new decision is milder than the one before."""

    name: str
    reversed_by: str
    target: SubjectKind
    weight: int
    takes_days: bool = False


ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        Action("label_content", "unlabel_content", SubjectKind.CONTENT, 1),
        Action("age_gate", "remove_age_gate", SubjectKind.CONTENT, 2),
        Action("limit_visibility", "restore_visibility", SubjectKind.CONTENT, 3),
        Action("remove_content", "restore_content", SubjectKind.CONTENT, 4),
        Action("warn_author", "", SubjectKind.AUTHOR, 1),
        Action("suspend_author", "unsuspend_author", SubjectKind.AUTHOR, 5, takes_days=True),
        Action("ban_author", "unban_author", SubjectKind.AUTHOR, 6),
    )
}

REVERSING = [action.reversed_by for action in ACTIONS.values() if action.reversed_by]
"""The names of the actions that take others back."""
DEFAULT_DAYS = 7
MAX_DAYS = 3650

LABELS = {
    "remove_content": _("Remove the content"),
    "restore_content": _("Restore the content"),
    "limit_visibility": _("Limit its visibility"),
    "restore_visibility": _("Restore its visibility"),
    "age_gate": _("Put it behind an age gate"),
    "remove_age_gate": _("Take the age gate away"),
    "label_content": _("Label the content"),
    "unlabel_content": _("Take the label away"),
    "suspend_author": _("Suspend the author"),
    "unsuspend_author": _("End the suspension"),
    "ban_author": _("Ban the author"),
    "unban_author": _("Lift the ban"),
    "warn_author": _("Warn the author"),
}
