"""A database of the previous release becomes one of this release, and its cases go on from wherever they stood.

The asset was made by that release's own code: people and clients brought cases into every state over the API, with a
platform that answered; then nobody worked any more, and `pg_dump --rows-per-insert=1000` wrote it down.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from moderation.models import Appeal, AuditHead, Case, Client, Event, Notice, Order, Run, Seal
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.orders import announcements
from moderation.services.post import outbox
from moderation.services.record import audit
from moderation.states import IN_LINE, OPEN_APPEALS, Outcome, Status
from moderation.tests.environment import standing_on
from moderation.tests.people import App, work
from moderation.tests.platform import Platform

ROOM = Path(__file__).resolve().parents[1]
DUMP = Path(__file__).parent / "assets" / "release-1.sql.gz"

LANDED = {
    "migrations/0001_initial.py": "fb3dfbe0b52f15bcace2ffe09b0bbd97376530e124b4d5fde18afd3f777a2deb",
    "migrations/0002_guards.py": "915acb0211db5db72df0a32499f3bb01d4c54d26482662b89e3f88160ab4d573",
    "migrations/0003_checkpoints.py": "40f743d7f33c4ccf10958412211afd48c6825b581ad077d55743414be43cf240",
    "migrations/0004_first_policies.py": "085c9c5658339279e4f257b02187515f6439c57e61837f10786ad86782faa423",
    "demo/migrations/0001_initial.py": "515bf697e30ad62488b36a3e2025414f135ec23dcb22055e047c0a4b06535bd9",
    "demo/migrations/0002_appeals.py": "47e43874191ced5a64cd4df6199af4e288c0e5507c24b49d9e97adfa0ae4f0f9",
}
"""The migrations installations have run, and what is in them: what is wrong in one is put right in a new one."""

Stand = tuple[str, str, int]
"""(status, outcome, round) of a case."""

BEFORE: dict[str, Stand] = {
    "cleared": (Status.COMPLETED, Outcome.CLEARED, 1),
    "violation": (Status.COMPLETED, Outcome.VIOLATION, 1),
    "no-violation": (Status.COMPLETED, Outcome.NO_VIOLATION, 1),
    "withdrawn": (Status.COMPLETED, Outcome.WITHDRAWN, 1),
    "second-violation": (Status.COMPLETED, Outcome.VIOLATION, 2),
    "appeal-granted": (Status.COMPLETED, Outcome.NO_VIOLATION, 2),
    "appeal-denied": (Status.COMPLETED, Outcome.VIOLATION, 2),
    "appeal-inadmissible": (Status.COMPLETED, Outcome.VIOLATION, 2),
    "pulled": (Status.COMPLETED, Outcome.VIOLATION, 1),
    "pending-analysis": (Status.PENDING_ANALYSIS, "", 1),
    "in-the-hands-of-a-dead-worker": (Status.PENDING_ANALYSIS, "", 1),
    "pending-review": (Status.PENDING_REVIEW, "", 1),
    "pending-review-without-thread": (Status.PENDING_REVIEW, "", 1),
    "claimed": (Status.PENDING_REVIEW, "", 1),
    "second-review": (Status.PENDING_REVIEW, "", 2),
    "kept-in-force": (Status.PENDING_REVIEW, "", 2),
    "appeal-open": (Status.PENDING_REVIEW, "", 2),
    "undo-window": (Status.ENFORCING, "", 1),
    "orders-waiting": (Status.ENFORCING, "", 1),
    "order-failing": (Status.ENFORCING, "", 1),
    "pull-waiting": (Status.ENFORCING, "", 1),
    "pull-handed-out": (Status.ENFORCING, "", 1),
    "reversal-waiting": (Status.ROLLING_BACK, "", 1),
    "rollback-waiting": (Status.ROLLING_BACK, "", 1),
    "appeal-submitted": (Status.ROLLING_BACK, "", 1),
}
"""Every case of the dump, by its content_id."""

AFTER = [
    *("pending-analysis", "in-the-hands-of-a-dead-worker", "pending-review", "pending-review-without-thread"),
    *("claimed", "second-review", "kept-in-force", "appeal-open"),
    *("reversal-waiting", "rollback-waiting", "appeal-submitted"),
]
"""The cases that wait for a human once what was due is done."""

SCHEMA = {
    "columns": """
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname IN ('public', 'agent') AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relkind IN ('r', 'p', 'v', 'm')
    """,
    "relations": """
        SELECT n.nspname, c.relname, c.relkind, c.relpersistence, c.reloptions::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'agent')
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace IN ('public'::regnamespace, 'agent'::regnamespace)
    """,
    "indexes": """
        SELECT i.indexrelid::regclass::text, i.indisvalid, pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace IN ('public'::regnamespace, 'agent'::regnamespace)
    """,
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "functions": """
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace IN ('public'::regnamespace, 'agent'::regnamespace) AND prokind IN ('f', 'p')
    """,
    "views": "SELECT schemaname, viewname, definition FROM pg_views WHERE schemaname IN ('public', 'agent')",
    "types": """
        SELECT n.nspname, t.typname, t.typtype FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname IN ('public', 'agent')
    """,
    "extensions": "SELECT extname FROM pg_extension",
    "migrations": "SELECT app, name FROM public.django_migrations",
}
"""What two databases must have in common to have the same schema; the order of columns is left out."""


def schema() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        found = {}
        for what, query in SCHEMA.items():
            cursor.execute(query)
            found[what] = sorted(_plain(" | ".join(map(str, row))) for row in cursor.fetchall())
        return found


def _plain(definition: str) -> str:
    """A list of strings that went through pg_dump has its casts to text at each string instead of once around all."""
    definition = definition.replace("'::character varying", "'")
    definition = re.sub(r"\(('[^']*')\)::text", r"\1", definition)
    return re.sub(r"\((ARRAY\[[^]]*\])\)::text\[\]", r"\1", definition)


@pytest.fixture
def fresh(database: None) -> dict[str, list[str]]:
    """The schema of a new installation."""
    return schema()


@pytest.fixture
def upgraded(fresh: dict[str, list[str]]) -> Iterator[None]:
    """Django stands on the previous release's database, after `migrate`."""
    name = f"{connection.settings_dict['NAME']}_upgraded"
    create = [f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"']
    with connection._nodb_cursor() as cursor:
        for statement in create:
            cursor.execute(statement)
    try:
        with standing_on(NAME=name):
            parameters = {**connection.get_connection_params(), "dbname": name}
            for django_only in ("cursor_factory", "context", "pool"):
                parameters.pop(django_only, None)
            with psycopg.connect(**parameters) as old:
                old.execute(gzip.decompress(DUMP.read_bytes()))
            call_command("migrate", verbosity=0)
            yield
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(create[0])


def test_what_has_landed_is_never_edited() -> None:
    assert {name: hashlib.sha256((ROOM / name).read_bytes()).hexdigest() for name in LANDED} == LANDED


def test_a_database_of_the_previous_release_gets_the_schema_of_a_new_one(
    fresh: dict[str, list[str]], upgraded: None
) -> None:
    found = schema()
    assert len(found["columns"]) > 200
    for what, wanted in fresh.items():
        assert found[what] == wanted, what


def test_cases_of_the_previous_release_go_on_from_every_state(
    upgraded: None, platform: Platform, settings: Settings
) -> None:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    forum, shop = (_speaking_for(name) for name in ("forum", "shop"))
    Client.objects.filter(pk=forum.client.pk).update(webhook_url=platform.url)
    platform.secret = forum.secret
    assert _stands() == BEFORE
    sealed, placed = Seal.objects.count(), Notice.objects.exclude(position=None).count()
    assert 0 < sealed < Event.objects.count()
    assert 0 < placed < Notice.objects.count()
    head = AuditHead.objects.get()
    assert (head.entries, head.unkeyed, audit.verify()) == (sealed, sealed, (sealed, None))
    _let_time_pass()

    work()
    _fetch_everything(shop)
    waiting = {content_id for content_id, (status, _, _) in _stands().items() if status == Status.PENDING_REVIEW}
    assert waiting == set(AFTER)
    assert {status for status, _, _ in _stands().values()} == {Status.PENDING_REVIEW, Status.COMPLETED}
    assert _orders("orders-waiting") == [("remove_content", "applied"), ("label_content", "applied")]
    assert _orders("undo-window") == _orders("order-failing") == [("remove_content", "applied")]
    assert _orders("pull-waiting") == [("remove_content", "applied"), ("label_content", "applied")]
    assert _orders("reversal-waiting")[:2] == [("remove_content", "reversed"), ("limit_visibility", "reversed")]

    first_decider = forum.decide(_id("second-review"), outcome="no_violation", by=" ANA ", reason="As before.")
    assert (first_decider.status_code, first_decider.json()["code"]) == (403, "same_reviewer")
    for content_id in AFTER:
        answer = forum.decide(_id(content_id), "age_gate", by="Zoe", reason="Not for children.")
        assert answer.status_code == 202, (content_id, answer.content)
    work()
    assert {status for status, _, _ in _stands().values()} == {Status.COMPLETED}
    assert _orders("kept-in-force") == [("remove_content", "reversed"), ("restore_content", "applied"), *AGE_GATED]
    assert _orders("pending-review-without-thread") == AGE_GATED

    # And what had ended can be opened again.
    assert forum.roll_back(_id("violation")).status_code == 202
    work()
    assert forum.decide(_id("violation"), outcome="no_violation", by="Zoe", reason="It was a joke.").status_code == 202
    work()
    assert _stands()["violation"] == (Status.COMPLETED, Outcome.NO_VIOLATION, 2)

    assert not Order.objects.filter(status__in=IN_LINE).exists()
    assert not Run.objects.filter(done_at=None, cancelled_at=None).exists()
    assert not Appeal.objects.filter(status__in=OPEN_APPEALS).exists()
    while audit.seal():
        pass
    assert audit.verify() == (Event.objects.count(), None)
    assert Seal.objects.count() == Event.objects.count() > sealed
    while announcements.place():
        pass
    positions = list(Notice.objects.order_by("position").values_list("position", flat=True))
    assert None not in positions
    assert len(set(positions)) == len(positions) > placed


AGE_GATED = [("age_gate", "applied")]


def _speaking_for(name: str) -> App:
    client = Client.objects.get(name=name)
    return App(client, clients.new_key(client.pk, by=Actor.operator()), client.webhook_secret)


def _stands() -> dict[str, Stand]:
    return {
        content_id: (status, outcome, round)
        for content_id, status, outcome, round in Case.objects.values_list("content_id", "status", "outcome", "round")
    }


def _id(content_id: str) -> str:
    return str(Case.objects.get(content_id=content_id).pk)


def _orders(content_id: str) -> list[tuple[str, str]]:
    return list(Order.objects.filter(case__content_id=content_id).order_by("place").values_list("action", "status"))


def _let_time_pass() -> None:
    """Whatever the clock said where the dump was made: what was in hand there is so no more, and all is due."""
    outbox.forget_leases()
    for rows in (Run.objects, Order.objects, Notice.objects):
        rows.filter(due_at__gt=Now()).update(due_at=Now())
    Case.objects.filter(claim_until__gt=Now()).update(claim_until=Now())


def _fetch_everything(shop: App) -> None:
    """As a client without a webhook does."""
    while orders := shop.get("orders/").json()["results"]:
        for order in orders:
            answer: Any = shop.post(f"orders/{order['id']}/confirm/", {"result": "applied"})
            assert answer.status_code == 200, answer.content
