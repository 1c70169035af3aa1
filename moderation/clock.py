"""The database's clock: the only one that due times, leases and windows know. Machines differ; it is one for all.

Where a row is fetched anyway, its reading travels with it (`annotate(now=Now())`); in a statement it is `Now()`.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """What the database's clock says; one statement. Not the transaction's beginning: now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
