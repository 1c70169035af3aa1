"""The outbox's statements cost what is due and ready, and not what lies there; and the line is the line everywhere."""

from __future__ import annotations

import json
import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from moderation.models import Client, Notice, Order, Run
from moderation.services.post import outbox
from moderation.states import IN_LINE, Priority, RunKind
from moderation.tests.people import App, app

MANY = 100_000
PAGES = 250
"""Of 8 kB, that one statement may touch: half of what 100,000 rows fill in their narrowest index alone."""
PAGES_A_LOOK = 8
"""More for each order that is due but not next, up to outbox.LOOK of them: is anything before it, twice."""


def _sql(statement: str, **values: Any) -> None:
    """Without foreign keys and triggers: a hundred thousand rows that stand for themselves."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)


def _notices(client: Client, due: str, *, feed_only: bool = False) -> None:
    _sql(
        "INSERT INTO moderation_notice"
        " (id, client_id, type, document, priority, due_at, attempts, last_error, feed_only)"
        f" SELECT gen_random_uuid(), %(client)s, 'ping', '{{}}', 1, {due}, 1, '', %(feed_only)s"
        " FROM generate_series(1, %(many)s)",
        client=client.pk,
        feed_only=feed_only,
        many=MANY,
    )


def _orders(client: Client, *, of_case: int, heads_due: str) -> None:
    """MANY orders, `of_case` in each case: the first of each is its head, the others are due behind it."""
    _sql(
        f"""
        INSERT INTO moderation_order (id, client_id, case_id, decision_id, subject_id, direction, action, params, place,
            sequence, status, priority, due_at, attempts, last_error, result, detail)
        SELECT gen_random_uuid(), %(client)s, md5((n / %(of_case)s)::text)::uuid, gen_random_uuid(), 1000000 + n,
            'apply', 'remove_content', '{{}}', n %% %(of_case)s, 1, 'planned', 1,
            CASE WHEN n %% %(of_case)s = 0 THEN {heads_due} ELSE now() - interval '1 hour' + n * interval '1 ms' END,
            0, '', '', ''
        FROM generate_series(0, %(many)s - 1) AS n
        """,
        client=client.pk,
        of_case=of_case,
        many=MANY,
    )


def _runs(kind: str, due: str) -> None:
    _sql(
        "INSERT INTO moderation_run (id, case_id, kind, round, priority, due_at, attempts, last_error, requested_by,"
        " reason, keep_in_force, failure)"
        f" SELECT gen_random_uuid(), gen_random_uuid(), %(kind)s, 1, n %% 4, {due}, 0, '', '', '', false, ''"
        " FROM generate_series(1, %(many)s) AS n",
        kind=kind,
        many=MANY,
    )


def _pages(statement: str, values: dict[str, Any]) -> int:
    """How many pages the statement touches; it is rolled back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values)
        found = cursor.fetchone()[0]
        transaction.set_rollback(True)
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def _costs() -> dict[str, int]:
    priorities = {"priorities": [priority.value for priority in Priority], "offer": 30}
    return {
        "legs": _pages(outbox._CLAIM_RUNS, {**priorities, "kinds": ["resume", "rollback"], "room": 100}),
        "starts": _pages(outbox._CLAIM_RUNS, {**priorities, "kinds": ["start"], "room": 6}),
        "starts out": _pages(outbox._STARTS_OUT, {}),
        "messages": _pages(outbox._READY_MESSAGES, {**outbox._LOOK, "failing": 2}),
        "oldest": _pages(outbox._OLDEST, {**outbox._LOOK, "kinds": list(RunKind)}),
    }


CROWDS = {
    "notices, not due": lambda client: _notices(client, "now() + interval '1 hour'"),
    "notices, due": lambda client: _notices(client, "now() - interval '1 hour'"),
    "a pull client's notices": lambda client: _notices(client, "now() - interval '1 hour'", feed_only=True),
    "orders, each its own line": lambda client: _orders(client, of_case=1, heads_due="now()"),
    "orders, behind heads not due": lambda client: _orders(client, of_case=3, heads_due="now() + interval '1 hour'"),
    "analyses": lambda client: _runs("start", "now() - interval '1 hour'"),
    "analyses put off": lambda client: _runs("start", "now() + interval '1 hour'"),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_no_statement_of_the_outbox_grows_with_what_waits(crowd: str, client_app: App) -> None:
    CROWDS[crowd](client_app.client)
    with connection.cursor() as cursor:
        for table in ("run", "order", "notice"):
            cursor.execute(f"VACUUM ANALYZE moderation_{table}")
    most = PAGES + (PAGES_A_LOOK * outbox.LOOK if "behind" in crowd else 0)
    for since in (None, Now()):
        Client.objects.filter(pk=client_app.client.pk).update(failing_since=since)
        pages = _costs()
        assert {name: count for name, count in pages.items() if count > most} == {}, pages


def test_an_order_that_is_next_is_found_behind_a_crowd_that_is_not(client_app: App) -> None:
    _orders(client_app.client, of_case=3, heads_due="now() + interval '1 hour'")
    hidden = Order.objects.filter(place=2).order_by("-due_at")[500]
    _sql("UPDATE moderation_order SET case_id = gen_random_uuid() WHERE id = %(id)s", id=hidden.pk)
    for _ in range(MANY // outbox.LOOK + 2):
        offers = outbox.claim(starts_at_once=8)
        if offers:
            break
    assert [offer.id for offer in offers] == [hidden.pk]


def test_the_outbox_knows_the_same_heads_as_the_pull_list(client_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of the line is said twice, in SQL for the relay and as a queryset: on any lines they agree."""
    other = app(webhook_url="https://other.example/hook")
    chance = random.Random(6)
    cases = [uuid.UUID(int=number) for number in range(40)]
    turns = {subject: iter(range(1, 1000)) for subject in range(25)}
    places = {case: iter(range(1, 1000)) for case in cases}
    rows = []
    for _ in range(400):
        subject, case = chance.randrange(25), chance.choice(cases)
        status = chance.choice([*sorted(IN_LINE), "applied", "cancelled"])
        client = (client_app, other)[subject % 2].client
        rows.append((uuid.uuid4(), client.pk, case, subject, next(places[case]), next(turns[subject]), status))
    for row in rows:
        _sql(
            "INSERT INTO moderation_order (id, client_id, case_id, decision_id, subject_id, direction, action, params,"
            " place, sequence, status, priority, due_at, attempts, last_error, result, detail) VALUES (%(id)s,"
            " %(client)s, %(case)s, gen_random_uuid(), %(subject)s, 'apply', 'ban_author', '{}', %(place)s, %(turn)s,"
            " %(status)s, %(priority)s, now() + make_interval(secs => %(due)s), 0, '', '', '')",
            **dict(zip(("id", "client", "case", "subject", "place", "turn", "status"), row, strict=True)),
            priority=chance.randrange(4),
            due=chance.choice([-60, -30, 3600]),
        )
    monkeypatch.setitem(outbox._LOOK, "cap", 1000)
    wanted = {
        pk
        for who in (client_app, other)
        for pk in Order.objects.heads().filter(client=who.client, due_at__lte=Now()).values_list("pk", flat=True)
    }
    offered = {offer.id for offer in outbox.claim(starts_at_once=8)}
    assert offered == wanted
    assert wanted


def test_how_long_the_oldest_waits_covers_runs_deliveries_and_notices(client_app: App) -> None:
    assert outbox.oldest_waiting_seconds() == 0
    _sql(
        "INSERT INTO moderation_notice (id, client_id, type, document, priority, due_at, attempts, last_error)"
        " VALUES (gen_random_uuid(), %(client)s, 'ping', '{}', 1, now() - interval '100 s', 0, '')",
        client=client_app.client.pk,
    )
    assert 100 <= outbox.oldest_waiting_seconds() < 130
    Notice.objects.update(published_until=Now() + timedelta(seconds=30))
    assert 100 <= outbox.oldest_waiting_seconds() < 130, "a message that nobody takes is still waiting"
    Client.objects.update(failing_since=Now())
    assert outbox.oldest_waiting_seconds() == 0, "that an endpoint fails is a finding of its own"
    Client.objects.update(failing_since=None)
    client_app.start()
    Run.objects.update(due_at=Now() - timedelta(seconds=200))
    assert 200 <= outbox.oldest_waiting_seconds() < 230
