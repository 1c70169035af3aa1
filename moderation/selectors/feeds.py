"""What a client app reads to catch up: its feed, the orders that wait for it, and what should be in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from moderation.models import Client, Notice, Order
from moderation.models.actions import ACTIONS, SubjectKind
from moderation.states import IN_LINE, Direction, OrderStatus

FEED_PAGE = 100


def feed(client: Client, *, after: int) -> list[Notice]:
    """The next announcements behind position `after`, in order; at most 100. One query."""
    return list(client.notices.filter(position__gt=after).order_by("position")[:FEED_PAGE])


def heads(client: Client) -> QuerySet[Order]:
    """The orders that are next in their lines: nothing before them in their case, nothing before them on their
    subject."""
    before = Order.objects.filter(status__in=IN_LINE).filter(
        Q(case_id=OuterRef("case_id"), place__lt=OuterRef("place"))
        | Q(subject_id=OuterRef("subject_id"), sequence__lt=OuterRef("sequence"))
    )
    return (
        Order.objects.filter(client=client, status__in=IN_LINE, due_at__lte=Now())
        .exclude(Exists(before))
        .select_related("notice")
        .order_by("-priority", "created_at", "pk")
    )


@dataclass(frozen=True)
class Effect:
    """Something that should be in force now, and the order that says so."""

    order: Order
    until: datetime | None


def effects(client: Client, kind: SubjectKind, external_id: str) -> list[Effect]:
    """What live decisions want in force on one subject: one line per action, of suspensions the longest. What has
    expired, was refused, or is no state of things (a warning) is left out. One query."""
    held = Order.objects.filter(
        subject__client=client,
        subject__kind=kind,
        subject__external_id=external_id,
        direction=Direction.APPLY,
        released_at=None,
        resends=None,
    ).exclude(status__in=[OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.EXPIRED])
    now = timezone.now()
    longest: dict[str, Order] = {}
    for order in held.select_related("subject").order_by("sequence"):
        if not ACTIONS[order.action].reversed_by or (order.expires_at is not None and order.expires_at <= now):
            continue
        known = longest.get(order.action)
        if known is None or (known.expires_at and order.expires_at and order.expires_at > known.expires_at):
            longest[order.action] = order
    return [Effect(order, order.expires_at) for order in longest.values()]
