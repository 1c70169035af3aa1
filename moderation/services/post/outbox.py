"""What is due, for the relay: claims rows and names the lane each one travels in. Never waits, never holds rows.

A claimed row is not offered again for 30 seconds; by then it is done, or leased, or its message was lost. How many may
be out at once is capped per kind, so that a hanging model or endpoint never takes every thread; the rest stay rows
and are picked by priority, which makes priority exact whatever the broker does.
"""

# ruff: noqa: S608 - the statements are made of the constants below alone
from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
LOOK = 500
"""How many orders of one client are looked at in one go, to find those that are next in their line."""
_LOOK: dict[str, Any] = {
    "cap": DELIVERIES_PER_ENDPOINT,
    "look": LOOK,
    "priorities": [priority.value for priority in Priority],
}


@dataclass(frozen=True)
class Offer:
    """A row that is due: what it is (a RunKind, `order` or `notice`), its id, and the lane its message takes."""

    kind: str
    id: uuid.UUID
    lane: str


_OUT = "(published_until > now() OR lease_until > now())"
FREE = "(published_until IS NULL OR published_until <= now()) AND (lease_until IS NULL OR lease_until <= now())"
_RUN_WAITS = "done_at IS NULL AND cancelled_at IS NULL"
_IN_LINE = "status IN ('planned', 'delivering')"
NOTICE_WAITS = "order_id IS NULL AND NOT feed_only AND delivered_at IS NULL AND failed_at IS NULL"
_HEAD = f"""
    NOT EXISTS (SELECT 1 FROM moderation_order p WHERE p.{_IN_LINE} AND p.case_id = o.case_id AND p.place < o.place)
    AND NOT EXISTS (SELECT 1 FROM moderation_order p
                    WHERE p.{_IN_LINE} AND p.subject_id = o.subject_id AND p.sequence < o.sequence)
"""
"""Nothing before it in its case, nothing before it on its subject: selectors.feeds.heads says the same in Python."""

# What lies here costs nothing, however much: every part below walks an index to what is due, and stops when it has
# enough. The predicates are those of the partial indexes, word for word.
_CLAIM_RUNS = f"""
    UPDATE moderation_run SET published_until = now() + make_interval(secs => %(offer)s)
    WHERE id IN (
        SELECT r.id FROM unnest(%(kinds)s::text[]) AS k (kind), unnest(%(priorities)s::int[]) AS p (priority),
        LATERAL (
            SELECT id, priority, due_at FROM moderation_run
            WHERE {_RUN_WAITS} AND kind = k.kind AND priority = p.priority AND due_at <= now() AND {FREE}
            ORDER BY due_at LIMIT %(room)s
            FOR UPDATE SKIP LOCKED
        ) r
        ORDER BY r.priority DESC, r.due_at LIMIT %(room)s
    )
    RETURNING kind, id, priority
"""
_STARTS_OUT = f"SELECT count(*) FROM moderation_run WHERE {_RUN_WAITS} AND kind = 'start' AND {_OUT}"


def _clients_with(table: str, waits: str) -> str:
    """The clients that have a row there, each once: one step of the index for each, not one for each row."""
    return f"""
        (SELECT client_id FROM {table} WHERE {waits} ORDER BY client_id LIMIT 1)
        UNION ALL
        SELECT (SELECT client_id FROM {table} WHERE {waits} AND client_id > last.client_id ORDER BY client_id LIMIT 1)
        FROM {{name}} AS last WHERE last.client_id IS NOT NULL
    """


# Notices have no line. An endpoint has two messages out at most, one that fails only one; and all that fail together
# have no more than their share, so that dead endpoints, however many, never take the threads from the living.
# Of the orders only the head of each line is ready; where the first `look` of a priority are due but stand behind
# another, `deeper` asks for a look behind them.
_READY = f"""
    WITH RECURSIVE told AS ({_clients_with("moderation_notice", NOTICE_WAITS).format(name="told")}),
    ordered AS ({_clients_with("moderation_order", _IN_LINE).format(name="ordered")}),
    endpoint AS MATERIALIZED (
        SELECT c.id, c.failing_since IS NOT NULL AS failing, out.n, out.since
        FROM moderation_client c, LATERAL (
            SELECT count(*) AS n, min(due_at) AS since FROM (
                SELECT due_at FROM moderation_order WHERE client_id = c.id AND {_IN_LINE} AND {_OUT}
                UNION ALL
                SELECT due_at FROM moderation_notice WHERE client_id = c.id AND {NOTICE_WAITS} AND {_OUT}
            ) AS both_kinds
        ) AS out
        WHERE c.webhook_url <> '' AND c.is_active
          AND c.id IN (SELECT client_id FROM told UNION SELECT client_id FROM ordered)
    ), ready AS (
        SELECT message.*, e.failing,
               row_number() OVER (PARTITION BY e.id ORDER BY kind DESC, priority DESC, due_at, message.id) + e.n AS turn
        FROM endpoint e, LATERAL (
            SELECT 'order' AS kind, head.id, head.priority, head.due_at, e.id AS client_id
            FROM unnest(%(priorities)s::int[]) AS p (priority), LATERAL (
                SELECT o.id, o.priority, o.due_at FROM (
                    SELECT * FROM moderation_order
                    WHERE client_id = e.id AND {_IN_LINE} AND priority = p.priority AND due_at <= now() AND {FREE}
                    ORDER BY due_at, id LIMIT %(look)s
                ) AS o
                WHERE {_HEAD} LIMIT %(cap)s
            ) AS head
            UNION ALL
            (SELECT 'notice', id, 0, due_at, client_id FROM moderation_notice
             WHERE client_id = e.id AND {NOTICE_WAITS} AND due_at <= now() AND {FREE}
             ORDER BY due_at, id LIMIT %(cap)s)
            UNION ALL
            (SELECT 'deeper', NULL, 0, now(), e.id
             FROM unnest(%(priorities)s::int[]) AS p (priority), LATERAL (
                 SELECT 1 FROM moderation_order
                 WHERE client_id = e.id AND {_IN_LINE} AND priority = p.priority AND due_at <= now()
                 ORDER BY due_at, id OFFSET %(look)s LIMIT 1
             ) AS more LIMIT 1)
        ) AS message
        WHERE e.n < CASE WHEN e.failing THEN 1 ELSE %(cap)s END
    )
"""
_READY_MESSAGES = f"""
    {_READY}, ranked AS (
        SELECT *, row_number() OVER (PARTITION BY failing ORDER BY due_at, id)
               + CASE WHEN failing THEN (SELECT coalesce(sum(n), 0) FROM endpoint WHERE failing) ELSE 0 END AS rank
        FROM ready WHERE turn <= CASE WHEN failing THEN 1 ELSE %(cap)s END
    )
    SELECT kind, id, priority, client_id FROM ranked WHERE NOT failing OR rank <= %(failing)s
"""
_NEXT_LOOK = f"""
    SELECT o.id, o.priority, o.due_at, {_HEAD} AND {FREE} FROM moderation_order o
    WHERE o.client_id = %s AND o.{_IN_LINE} AND o.due_at <= now() AND (o.priority, o.due_at, o.id) > (%s, %s, %s)
    ORDER BY o.priority, o.due_at, o.id LIMIT %s
"""
_OLDEST = f"""
    {_READY}
    SELECT greatest(0, coalesce(extract(epoch FROM now() - min(due_at)), 0)) FROM (
        SELECT min(due_at) AS due_at FROM ready WHERE NOT failing
        UNION ALL
        SELECT min(since) FROM endpoint WHERE NOT failing
        UNION ALL
        SELECT min(r.due_at) FROM unnest(%(kinds)s::text[]) AS k (kind), unnest(%(priorities)s::int[]) AS p (priority),
        LATERAL (SELECT due_at FROM moderation_run WHERE {_RUN_WAITS} AND kind = k.kind AND priority = p.priority
                 ORDER BY due_at LIMIT 1) AS r
    ) AS oldest
"""
_FRONT = (-1, datetime(1970, 1, 1, tzinfo=UTC), uuid.UUID(int=0))
_looked_at: dict[int, tuple[int, datetime, uuid.UUID]] = {}
"""By client: the last order of a crowded line that this process's relay has looked at."""


def claim(*, starts_at_once: int) -> list[Offer]:
    """Everything that may be offered now, most urgent first. Empty while another relay is claiming: it does the same
    work, and two at once would overstep the caps. At most `starts_at_once` analyses are out at a time."""
    every: dict[str, Any] = {"offer": OFFER_SECONDS, "priorities": [priority.value for priority in Priority]}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('guardian-outbox', 0))")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute(_CLAIM_RUNS, {**every, "kinds": [RunKind.RESUME, RunKind.ROLLBACK], "room": LEGS_AT_ONCE})
        rows = cursor.fetchall()
        cursor.execute(_STARTS_OUT)
        room = starts_at_once - cursor.fetchone()[0]
        if room > 0:
            cursor.execute(_CLAIM_RUNS, {**every, "kinds": [RunKind.START], "room": room})
            rows += cursor.fetchall()
        messages = _ready_messages(cursor, failing=max(1, starts_at_once // FAILING_SHARE))
        for table, wanted in TABLES.items():
            ids = [pk for kind, pk, _ in messages if kind == wanted]
            if ids:
                cursor.execute(
                    f"UPDATE {table} SET published_until = now() + make_interval(secs => %s) WHERE id = ANY(%s)",
                    [OFFER_SECONDS, ids],
                )
        rows += messages
    rows.sort(key=lambda row: -row[2])
    return [Offer(kind, id, LANES[Priority(priority)]) for kind, id, priority in rows]


def _ready_messages(cursor: Any, *, failing: int) -> list[tuple[str, uuid.UUID, int]]:
    cursor.execute(_READY_MESSAGES, {**_LOOK, "failing": failing})
    found = cursor.fetchall()
    messages = [(kind, pk, priority) for kind, pk, priority, _ in found if kind in TABLES.values()]
    for client_id in [client_id for kind, _, _, client_id in found if kind not in TABLES.values()]:
        # Behind a crowd of orders that are due but not next: a stretch of it at every claim, until one is ready.
        cursor.execute(_NEXT_LOOK, [client_id, *_looked_at.get(client_id, _FRONT), LOOK])
        stretch = cursor.fetchall()
        ready = [(ORDER_KIND, pk, priority) for pk, priority, _, free in stretch if free]
        messages += [message for message in ready if message not in messages][:1]
        if len(stretch) == LOOK:
            pk, priority, due_at, _ = stretch[-1]
            _looked_at[client_id] = (priority, due_at, pk)
        else:
            _looked_at.pop(client_id, None)
    return messages


def unoffer(offers: list[Offer]) -> None:
    """Give back what could not be published, so that the next relay round offers it again at once."""
    for table, ids in (
        ("moderation_run", [offer.id for offer in offers if offer.kind not in (ORDER_KIND, NOTICE_KIND)]),
        ("moderation_notice", [offer.id for offer in offers if offer.kind == NOTICE_KIND]),
        ("moderation_order", [offer.id for offer in offers if offer.kind == ORDER_KIND]),
    ):
        if ids:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET published_until = NULL WHERE id = ANY(%s)", [ids])


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
            f" WHERE {NOTICE_WAITS}"
        )


def oldest_waiting_seconds() -> float:
    """How long the oldest row that could be worked on has been due: runs, and what is for endpoints that answer (one
    that fails is a finding of its own); 0 when nothing waits."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, {**_LOOK, "kinds": list(RunKind)})
        return float(cursor.fetchone()[0])
