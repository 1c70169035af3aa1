"""One line of a case's history, in the transaction of the verb that writes it. State events are written by move()."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moderation.lifecycle import line
from moderation.models import Case, Client, Event
from moderation.rights import Actor

SYSTEM = Actor.system()
"""The actor of what happens by itself."""


def note(case: Case, what: str, *, by: Actor, tells: Mapping[str, str] | None = None, **data: Any) -> None:
    """Write the event `what` of `case`, done by `by`. `data`: ids of our rows and codes, never a person's words.
    `tells`: the digests of the rows it tells of (models.facts.tell)."""
    note_each(what, [(case, data, tells or {})], by=by)


def note_each(what: str, told: Iterable[tuple[Case, dict[str, Any], Mapping[str, str]]], *, by: Actor) -> None:
    """Write one event per (case, data, digests), in one statement."""
    Event.objects.bulk_create([line(case, what, by=by, data=data, tells=tells) for case, data, tells in told])


def note_desk(what: str, *, by: Actor, client: Client | None = None, **data: Any) -> None:
    """Write the event `what` of the desk: about no case, and about `client` if it is one app's. `data` holds ids of
    our rows and codes, never a name or a secret."""
    line(None, what, by=by, data=data, about=client.pk if client else None).save(force_insert=True)
