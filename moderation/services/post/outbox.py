"""What is due, for the relay: claims rows and names the lane each one travels in. Never waits, never holds rows.

A claimed row is not offered again for 30 seconds; by then it is done, or leased, or its message was lost. How many may
be out at once is capped per kind, so that a hanging model or endpoint never takes every thread; the rest stay rows
and are picked by priority, which makes priority exact whatever the broker does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import connection, transaction

from moderation.states import Priority, RunKind

OFFER_SECONDS = 30
DELIVERIES_PER_ENDPOINT = 2
LEGS_AT_ONCE = 100
LANES = {Priority.LOW: "low", Priority.NORMAL: "normal", Priority.HIGH: "high", Priority.URGENT: "high"}
ORDER_KIND = "order"
NOTICE_KIND = "notice"
TABLES = {"moderation_order": ORDER_KIND, "moderation_notice": NOTICE_KIND}
FAILING_SHARE = 3
"""Endpoints that fail get a third of what analyses get: a quarter of all threads."""


@dataclass(frozen=True)
class Offer:
    """A row that is due: what it is (a RunKind, `order` or `notice`), its id, and the lane its message takes."""

    kind: str
    id: uuid.UUID
    lane: str


_CLAIM_RUNS = """
    UPDATE moderation_run SET published_until = now() + make_interval(secs => %(offer)s)
    WHERE id IN (
        SELECT id FROM moderation_run
        WHERE done_at IS NULL AND cancelled_at IS NULL AND due_at <= now() AND kind = ANY(%(kinds)s)
          AND (published_until IS NULL OR published_until <= now())
          AND (lease_until IS NULL OR lease_until <= now())
        ORDER BY priority DESC, due_at LIMIT %(room)s
        FOR UPDATE SKIP LOCKED
    )
    RETURNING kind, id, priority
"""
_STARTS_OUT = """
    SELECT count(*) FROM moderation_run
    WHERE done_at IS NULL AND cancelled_at IS NULL AND kind = 'start'
      AND (published_until > now() OR lease_until > now())
"""
# Of the orders only the head of each line: nothing before it in its case, nothing before it on its subject. Notices
# have no line. An endpoint has two messages out at most, one that fails only one; and all that fail together have no
# more than their share, so that dead endpoints, however many, never take the threads from the living.
_READY_MESSAGES = """
    WITH waiting AS (
        SELECT 'order' AS kind, o.id, o.client_id, o.priority, o.due_at, o.published_until, o.lease_until
        FROM moderation_order o
        WHERE o.status IN ('planned', 'delivering')
          AND NOT EXISTS (SELECT 1 FROM moderation_order p WHERE p.status IN ('planned', 'delivering')
                          AND p.case_id = o.case_id AND p.place < o.place)
          AND NOT EXISTS (SELECT 1 FROM moderation_order p WHERE p.status IN ('planned', 'delivering')
                          AND p.subject_id = o.subject_id AND p.sequence < o.sequence)
        UNION ALL
        SELECT 'notice', n.id, n.client_id, 0, n.due_at, n.published_until, n.lease_until
        FROM moderation_notice n
        WHERE n.order_id IS NULL AND n.delivered_at IS NULL AND n.failed_at IS NULL
    ), out AS (
        SELECT w.client_id, count(*) AS n, bool_or(c.failing_since IS NOT NULL) AS failing
        FROM waiting w JOIN moderation_client c ON c.id = w.client_id
        WHERE w.published_until > now() OR w.lease_until > now() GROUP BY w.client_id
    ), ready AS (
        SELECT w.kind, w.id, w.priority, w.due_at, c.failing_since IS NOT NULL AS failing,
               row_number() OVER (PARTITION BY w.client_id ORDER BY w.kind DESC, w.priority DESC, w.due_at, w.id)
               + coalesce(out.n, 0) AS turn
        FROM waiting w
        JOIN moderation_client c ON c.id = w.client_id AND c.webhook_url <> '' AND c.is_active
        LEFT JOIN out ON out.client_id = w.client_id
        WHERE w.due_at <= now()
          AND (w.published_until IS NULL OR w.published_until <= now())
          AND (w.lease_until IS NULL OR w.lease_until <= now())
    ), ranked AS (
        SELECT kind, id, priority, failing, row_number() OVER (PARTITION BY failing ORDER BY due_at, id)
               + CASE WHEN failing THEN (SELECT coalesce(sum(n), 0) FROM out WHERE failing) ELSE 0 END AS place
        FROM ready WHERE turn <= CASE WHEN failing THEN 1 ELSE %(cap)s END
    )
    SELECT kind, id, priority FROM ranked WHERE NOT failing OR place <= %(failing)s
"""


def claim(*, starts_at_once: int) -> list[Offer]:
    """Everything that may be offered now, most urgent first. Empty while another relay is claiming: it does the same
    work, and two at once would overstep the caps. At most `starts_at_once` analyses are out at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('guardian-outbox', 0))")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute(
            _CLAIM_RUNS, {"offer": OFFER_SECONDS, "kinds": [RunKind.RESUME, RunKind.ROLLBACK], "room": LEGS_AT_ONCE}
        )
        rows = cursor.fetchall()
        cursor.execute(_STARTS_OUT)
        room = starts_at_once - cursor.fetchone()[0]
        if room > 0:
            cursor.execute(_CLAIM_RUNS, {"offer": OFFER_SECONDS, "kinds": [RunKind.START], "room": room})
            rows += cursor.fetchall()
        cursor.execute(
            _READY_MESSAGES, {"cap": DELIVERIES_PER_ENDPOINT, "failing": max(1, starts_at_once // FAILING_SHARE)}
        )
        messages = cursor.fetchall()
        for table, wanted in TABLES.items():
            ids = [pk for kind, pk, _ in messages if kind == wanted]
            if ids:
                cursor.execute(
                    f"UPDATE {table} SET published_until = now() + make_interval(secs => %s) WHERE id = ANY(%s)",  # noqa: S608
                    [OFFER_SECONDS, ids],
                )
        rows += messages
    rows.sort(key=lambda row: -row[2])
    return [Offer(kind, id, LANES[Priority(priority)]) for kind, id, priority in rows]


def unoffer(offers: list[Offer]) -> None:
    """Give back what could not be published, so that the next relay round offers it again at once."""
    for table, ids in (
        ("moderation_run", [offer.id for offer in offers if offer.kind not in (ORDER_KIND, NOTICE_KIND)]),
        ("moderation_notice", [offer.id for offer in offers if offer.kind == NOTICE_KIND]),
        ("moderation_order", [offer.id for offer in offers if offer.kind == ORDER_KIND]),
    ):
        if ids:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET published_until = NULL WHERE id = ANY(%s)", [ids])  # noqa: S608


def forget_leases() -> None:
    """Make everything that a dead process had in hand due at once. Only for a process that knows it is alone
    (the embedded ending, which holds the data directory): tokens keep even a mistaken call from acting twice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE moderation_run SET published_until = NULL, lease_until = NULL, lease_token = NULL"
            " WHERE done_at IS NULL AND cancelled_at IS NULL"
        )
        cursor.execute(
            "UPDATE moderation_order SET published_until = NULL, lease_until = NULL, lease_token = NULL"
            " WHERE status IN ('planned', 'delivering')"
        )
        cursor.execute(
            "UPDATE moderation_notice SET published_until = NULL, lease_until = NULL, lease_token = NULL"
            " WHERE order_id IS NULL AND delivered_at IS NULL AND failed_at IS NULL"
        )


def oldest_waiting_seconds() -> float:
    """How long the oldest due row has waited to be offered; 0 when nothing waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0) FROM moderation_run"
            " WHERE done_at IS NULL AND cancelled_at IS NULL AND due_at <= now()"
        )
        return float(cursor.fetchone()[0])
