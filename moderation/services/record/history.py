"""One line of a case's history, in the transaction of the verb that writes it. State events are written by move()."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moderation.models import Case, Client, Event
from moderation.rights import Actor

SYSTEM = Actor.system()
"""The actor of what happens by itself."""


def note(case: Case, what: str, *, by: Actor, **data: Any) -> None:
    """Write the event `what` of `case`, done by `by`; `data` is what it tells."""
    note_each(what, [(case, data)], by=by)


def note_all(what: str, cases: Iterable[Case], *, by: Actor, **data: Any) -> None:
    """Write the same event for each of `cases`, in one statement."""
    note_each(what, [(case, data) for case in cases], by=by)


def note_each(what: str, told: Iterable[tuple[Case, dict[str, Any]]], *, by: Actor) -> None:
    """Write one event per (case, data), in one statement."""
    Event.objects.bulk_create(
        [Event(case=case, client_id=case.client_id, type=what, actor=by.label, data=data) for case, data in told]
    )


def note_desk(what: str, *, by: Actor, client: Client | None = None, **data: Any) -> None:
    """Write the event `what` of the desk: about no case, and about `client` if it is one app's. `data` holds ids of
    our rows and codes, never a name or a secret."""
    Event.objects.create(client=client, type=what, actor=by.label, data=data)
