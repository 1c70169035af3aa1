"""One line of a case's history, in the transaction of the verb that writes it. State events are written by move()."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from moderation.lifecycle import line
from moderation.models import Case, Client, Event, Order
from moderation.models.facts import tell_standing
from moderation.rights import Actor

SYSTEM = Actor.system()
"""The actor of what happens by itself."""


def note(case: Case, what: str, *, by: Actor, tells: Mapping[str, str] | None = None, **data: Any) -> None:
    """Write the event `what` of `case`, done by `by`. `data`: ids of our rows and codes, never a person's words.
    `tells`: the digests of the rows it tells of (models.facts.tell)."""
    line(case, what, by=by, data=data, tells=tells).save(force_insert=True)


def note_each(
    what: str, told: Iterable[tuple[Case, dict[str, Any], Mapping[str, str], datetime]], *, by: Actor
) -> None:
    """Write one event per (case, data, digests, time), in one statement. The time is that of the row it tells of: where
    all are values, Django hands the rows over as arrays, in a third of the time."""
    lines = []
    for case, data, tells, at in told:
        lines.append(line(case, what, by=by, data=data, tells=tells))
        lines[-1].at = at
    Event.objects.bulk_create(lines)


def note_orders(what: str, orders: Sequence[Order]) -> None:
    """Write the event `what` of each of `orders`, in its own case, which need not be locked: this transaction has just
    written the orders and so holds their rows, and who writes one of them next tells of it later."""
    if not orders:
        return
    cases = Case.objects.only("client_id").in_bulk({order.case_id for order in orders})
    Event.objects.bulk_create(
        line(
            cases[order.case_id],
            what,
            by=SYSTEM,
            data={"order_id": str(order.pk), "action": order.action},
            tells=tell_standing(order),
        )
        for order in orders
    )


def note_desk(what: str, *, by: Actor, client: Client | None = None, **data: Any) -> None:
    """Write the event `what` of the desk: about no case, and about `client` if it is one app's. `data` holds ids of
    our rows and codes, never a name or a secret."""
    line(None, what, by=by, data=data, about=client.pk if client else None).save(force_insert=True)
