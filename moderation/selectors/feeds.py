"""What a client app reads to catch up: its feed, the orders that wait for it, and what should be in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.db.models.functions import Now

from moderation.models import Client, Notice, Order, Subject
from moderation.models.actions import ACTIONS, SubjectKind

FEED_PAGE = 100


def feed(client: Client, *, after: int) -> list[Notice]:
    """The next announcements behind position `after`, in order; at most 100. One query."""
    return list(client.notices.filter(position__gt=after).order_by("position")[:FEED_PAGE])


@dataclass(frozen=True)
class Effect:
    """Something that should be in force now, and the order that says so."""

    order: Order
    until: datetime | None


@dataclass(frozen=True)
class Standing:
    """What should be in force on a subject. `sequence`: the newest it has, which all this is as new as; 0 if none."""

    sequence: int
    effects: list[Effect]


def effects(client: Client, kind: SubjectKind, external_id: str) -> Standing:
    """What live decisions want in force on one subject: one line per action, of suspensions the longest. What has
    expired, was refused, or is no state of things (a warning) is left out. Two queries.

    The sequence is read first: what is planned in between has a higher one, so a client obeys it when it comes.
    """
    subject = Subject.objects.filter(client=client, kind=kind, external_id=external_id).first()
    if subject is None:
        return Standing(0, [])
    longest: dict[str, Order] = {}
    for order in Order.objects.holding().filter(subject=subject).select_related("subject").order_by("sequence"):
        if not ACTIONS[order.action].reversed_by:
            continue
        known = longest.get(order.action)
        if known is None or (known.expires_at and order.expires_at and order.expires_at > known.expires_at):
            longest[order.action] = order
    return Standing(subject.last_sequence, [Effect(order, order.expires_at) for order in longest.values()])


@dataclass(frozen=True)
class Unfetched:
    """Orders that a client without a webhook has never asked for: how many of its lines they hold up, since when."""

    client: Client
    orders: int
    seconds: float


def unfetched() -> list[Unfetched]:
    """What waits for clients that do not fetch it, the longest wait first. It waits for ever. Two queries."""
    waits = (
        Order.objects.unfetched()
        .order_by()
        .values("client")
        .annotate(n=Count("pk"), waits=Now() - Min("due_at"))
        .order_by("-waits")
    )
    rows = [(row["client"], row["n"], row["waits"].total_seconds()) for row in waits]
    clients = Client.objects.in_bulk([pk for pk, _, _ in rows])
    return [Unfetched(clients[pk], n, seconds) for pk, n, seconds in rows]
