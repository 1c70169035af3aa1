"""Empties the database of everything that is Guardian's; the secrets in the data directory stay."""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

CHECKPOINT_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_migrations")


def drop_everything() -> int:
    """Drop our tables, and nothing else that a shared database may hold; answers how many there were.

    The next `migrate` makes them anew. Somebody else's tables that refer to ours make it fail, and nothing happens.
    """
    schema = settings.CHECKPOINT_SCHEMA
    names = [*connection.introspection.django_table_names(only_existing=True), "django_migrations"]
    ours = [sql.Identifier("public", name) for name in names]
    checkpoints = [sql.Identifier(schema, name) for name in CHECKPOINT_TABLES]
    with transaction.atomic(), connection.cursor() as cursor:
        functions = _functions_of_triggers(cursor, names)
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.SQL(", ").join([*ours, *checkpoints])))
        for name in functions:
            cursor.execute(sql.SQL("DROP FUNCTION {}()").format(sql.Identifier("public", name)))
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s",
            [schema],
        )
        row = cursor.fetchone()
        if row is not None and row[0] == 0:
            cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
    return len(names) - 1


def _functions_of_triggers(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    """What our tables' triggers call: asked, not listed, as every migration may bring another one."""
    cursor.execute(
        "SELECT DISTINCT p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relname = ANY(%s)"
        " AND c.relnamespace = 'public'::regnamespace AND p.pronamespace = 'public'::regnamespace",
        [tables],
    )
    return [name for (name,) in cursor.fetchall()]
