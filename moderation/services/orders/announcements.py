"""What Guardian tells a client app: one row per announcement, written in the transaction of what it announces.

The row is the webhook's body, the outbox of that webhook (an order has its own row and line) and the entry of the
client's feed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, JSONField, Value
from django.db.models.functions import JSONObject, Now
from uuid_utils.compat import uuid7

from moderation.models import Case, Client, Notice, Order
from moderation.selectors.statement import statement
from moderation.services.post.wakeup import wake_relay
from moderation.states import Direction


def announce_case(case: Case, what: str, **more: Any) -> None:
    """Tell the client what happened to a case."""
    announce(
        case.client_id,
        what,
        {
            "case_id": str(case.pk),
            "content_id": case.content_id,
            "author_id": case.author_id,
            "status": case.status,
            "outcome": case.outcome or None,
            "round": case.round,
            "version": case.version,
            **more,
        },
        case=case,
        priority=case.priority,
    )


def announce_completed(case: Case) -> None:
    """Tell the client that a case has ended: whom to tell (its author and reporters), and the statement of reasons
    that the author has a right to."""
    reporters = list(case.reports.order_by("pk").values_list("reporter_id", flat=True))
    reasons = statement(case.decision) if case.decision is not None else None
    announce_case(case, "case.completed", reporters=reporters, statement=reasons)


def announce(client_id: int, what: str, data: dict[str, Any], *, case: Case | None = None, priority: int = 1) -> Notice:
    """Tell the client something. Delivered by webhook if it has an address now, and always in its feed."""
    notice = Notice.objects.create(
        id=uuid7(),
        client_id=client_id,
        feed_only=Exists(Client.objects.filter(pk=client_id, webhook_url="")),
        case=case,
        type=what,
        document=_document(what, data),
        priority=priority,
    )
    del notice.document  # the database has written the time into it: read again when somebody asks
    wake_relay()
    return notice


def announce_orders(orders: Sequence[Order]) -> None:
    """Put orders, just planned, into their clients' feeds; the documents are what their webhooks say at every try."""
    Notice.objects.bulk_create(
        [
            Notice(
                client_id=order.client_id,
                case_id=order.case_id,
                order=order,
                type=_type(order),
                document=_document(_type(order), _data(order)),
                priority=order.priority,
            )
            for order in orders
        ]
    )


@transaction.atomic
def place() -> int:
    """Give every committed announcement its place in the feeds; answers how many. Safe to run twice at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('guardian-feed', 0))")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            """
            UPDATE moderation_notice SET position = last.position + fresh.turn
            FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS turn
                  FROM moderation_notice WHERE position IS NULL) AS fresh,
                 (SELECT coalesce(max(position), 0) AS position FROM moderation_notice) AS last
            WHERE moderation_notice.id = fresh.id
            """
        )
        placed: int = cursor.rowcount
    return placed


def ping(client: Client) -> Notice:
    """A notice that says nothing, to try an endpoint."""
    return announce(client.pk, "ping", {})


def _document(what: str, data: dict[str, Any]) -> JSONObject:
    """The body of a webhook, with the time of the clock that all of them go by."""
    return JSONObject(type=Value(what), timestamp=Now(), data=Value(data, JSONField()))


def _type(order: Order) -> str:
    return "action.apply" if order.direction == Direction.APPLY else "action.reverse"


def _data(order: Order) -> dict[str, Any]:
    case = order.decision.case  # of a suspension sent again: the case that wants it, not the one that let it go
    data: dict[str, Any] = {
        "order_id": str(order.pk),
        "action": order.action,
        "params": order.params,
        "case_id": str(case.pk),
        "content_id": case.content_id,
        "author_id": case.author_id,
        "decision_id": str(order.decision_id),
        "sequence": order.sequence,
    }
    if order.direction == Direction.REVERSE:
        data["reverses"] = str(order.names_id)
    return data
