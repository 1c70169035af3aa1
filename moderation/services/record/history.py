"""One line of a case's history, in the transaction of the verb that writes it. State events are written by move()."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moderation.models import Case, Event

SYSTEM = "guardian"
"""The actor of what happens by itself."""


def note(case: Case, what: str, *, actor: str, **data: Any) -> None:
    """Write the event `what` of `case`; `data` is what it tells."""
    note_each(what, [(case, data)], actor=actor)


def note_all(what: str, cases: Iterable[Case], *, actor: str, **data: Any) -> None:
    """Write the same event for each of `cases`, in one statement."""
    note_each(what, [(case, data) for case in cases], actor=actor)


def note_each(what: str, told: Iterable[tuple[Case, dict[str, Any]]], *, actor: str) -> None:
    """Write one event per (case, data), in one statement."""
    Event.objects.bulk_create(
        [Event(case=case, client_id=case.client_id, type=what, actor=actor, data=data) for case, data in told]
    )
