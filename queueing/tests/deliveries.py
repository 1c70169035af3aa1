"""What arrived at the platform, and waiting for what is on its way."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection

from moderation.tests.people import until
from moderation.tests.platform import Platform


def expire_leases() -> None:
    """What a dead worker had in hand is due now, as it would be within 45 s."""
    with connection.cursor() as cursor:
        for table in ("moderation_run", "moderation_order", "moderation_notice"):
            cursor.execute(f"UPDATE {table} SET lease_until = now() WHERE lease_until > now()")
            cursor.execute(f"UPDATE {table} SET published_until = now() WHERE published_until > now()")


def orders_told(platform: Platform) -> list[tuple[str, dict[str, Any]]]:
    """(webhook-id, document) of every order that arrived, repeats included, in the order of arrival."""
    return [(webhook_id, document) for webhook_id, document in platform.received if "order_id" in document["data"]]


def told(platform: Platform) -> list[str]:
    """The actions in the order in which they first arrived, each webhook-id once."""
    return list({webhook_id: document["data"]["action"] for webhook_id, document in orders_told(platform)}.values())


def repeated(platform: Platform) -> list[str]:
    """The webhook-ids of orders that arrived more than once."""
    counts = Counter(webhook_id for webhook_id, _ in orders_told(platform))
    return [webhook_id for webhook_id, count in counts.items() if count > 1]


def wait_for_all(ids: list[str], *statuses: str, seconds: float = 60) -> None:
    """Until every one of these cases has one of these statuses."""
    from moderation.models import Case

    def look() -> dict[str, int]:
        found: dict[str, int] = {}
        for status in Case.objects.filter(pk__in=ids).values_list("status", flat=True):
            found[status] = found.get(status, 0) + 1
        return found

    until(look, lambda found: set(found) <= set(statuses) and sum(found.values()) == len(ids), seconds)
