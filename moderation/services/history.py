"""One line of a case's history, in the transaction of the verb that writes it. State events are written by move()."""

from __future__ import annotations

from typing import Any

from moderation.models import Case, Event

SYSTEM = "guardian"
"""The actor of what happens by itself."""


def note(case: Case, what: str, *, actor: str, **data: Any) -> None:
    """Write the event `what` of `case`; `data` is what it tells."""
    Event.objects.create(case=case, client_id=case.client_id, type=what, actor=actor, data=data)
