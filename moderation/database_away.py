"""What is the matter with the database: one sentence with its host and the remedy, for whoever started a command.

Neither a password nor the whole of DATABASE_URL is ever in it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg_pool import PoolTimeout

from moderation.standing import DATABASE_AWAY

WAL_SEGMENT_BYTES = 16 * 1024 * 1024
"""With less room than this PostgreSQL cannot go on."""


@dataclass(frozen=True)
class Trouble:
    """Known by its SQLSTATE, or, as libpq keeps that to itself while connecting, by the words of the server."""

    states: tuple[str, ...]
    words: str
    what: str
    mend: str

    def is_it(self, state: str, text: str) -> bool:
        return state in self.states or (not state and re.search(self.words, text) is not None)


_NEVER = r"(?!)"
DISK_FULL = Trouble(
    ("53100",),
    r"No space left on device|Disk quota exceeded",
    "has no room left: its disk is full, and nothing was stored",
    "make room on that disk, then try again",
)
BROKEN_OFF = Trouble(
    ("08000", "08003", "08006"),
    r"connection is (lost|closed|bad)|server closed the connection|reset by peer|Broken pipe|SSL connection .* closed",
    "broke the connection off",
    "see its log, then run the command again",
)
TROUBLES = (
    DISK_FULL,
    Trouble(
        ("28P01",),
        r"password authentication failed|no password supplied",
        "does not accept the password of {user}",
        "correct it in DATABASE_URL",
    ),
    Trouble(
        ("28000",),
        r'role ".*" does not exist|no pg_hba.conf entry|authentication failed|is not permitted to log in',
        "does not let {user} in",
        "create that user or let it in (pg_hba.conf), or correct DATABASE_URL",
    ),
    Trouble(
        ("3D000",),
        r'database ".*" does not exist',
        "has no database {name}",
        "create it there (createdb {name}), or correct DATABASE_URL",
    ),
    Trouble(
        ("53300",),
        r"too many (clients|connections)|connection slots are reserved",
        "has no connection free",
        "end some of its clients, or raise its max_connections",
    ),
    Trouble(("57P01", "57P02"), r"shutting down|due to administrator command", "is shutting down", "start it again"),
    Trouble(
        ("57P03",),
        r"starting up|in recovery|not yet accepting|not accepting",
        "is starting up and takes no connections yet",
        "try again in a moment",
    ),
    Trouble(
        (),
        r"could not translate host name|failed to resolve host|Name or service not known|nodename nor servname",
        "cannot be found: no such host",
        "correct the host in DATABASE_URL, or this machine's name resolution",
    ),
    Trouble((), r"timeout expired|timed out", "does not answer", "start it, open its port, or correct DATABASE_URL"),
    Trouble(
        (),
        r"refused|No such file or directory|unreachable|No route",
        "cannot be reached",
        "start it, or correct DATABASE_URL",
    ),
    BROKEN_OFF,
    Trouble(("25006",), _NEVER, "is read-only, a standby perhaps", "name the primary in DATABASE_URL"),
    Trouble(("42501",), _NEVER, "does not let {user} do that ({said})", "give it the right (GRANT)"),
    Trouble(("42P01", "42703"), _NEVER, "has tables of another release", "run `manage.py migrate` first"),
)


def connection_parameters() -> dict[str, Any]:
    """What psycopg needs to reach our database without Django's pool."""
    parameters: dict[str, Any] = dict(connections["default"].get_connection_params())
    for django_only in ("cursor_factory", "context", "pool"):
        parameters.pop(django_only, None)
    return parameters


def knock() -> None:
    """Connect, and hang up. Not through the pool, which would try for seconds and then not say why.

    Raises psycopg.OperationalError within connect_timeout.
    """
    psycopg.connect(**connection_parameters()).close()


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what mends it."""

    what: str
    mend: str


def sentence(error: BaseException) -> str | None:
    """One line for a terminal; None if this error does not come from the database's being away, full, closed to us, or
    of another release."""
    found = finding(error)
    return f"{found.what}: {found.mend}." if found else None


def finding(error: BaseException) -> Finding | None:
    """As `sentence`, in its two parts."""
    if any(isinstance(one, PoolTimeout) for one in _chain(error)):
        try:
            knock()
        except psycopg.Error as reason:  # the pool keeps it to itself
            error = reason
    state, text = _state(error), " ".join(str(error).split())[:300]
    trouble = next((trouble for trouble in TROUBLES if trouble.is_it(state, text)), None)
    if not isinstance(error, DATABASE_AWAY) and (trouble is None or not state):
        return None
    embedded, there = not settings.DATABASE_URL, connections["default"].settings_dict
    if embedded and not state and _embedded_disk_is_full():
        trouble = DISK_FULL
    if trouble is None:
        trouble = Trouble((), _NEVER, "cannot be used ({said})", "see its log, or correct DATABASE_URL")
    words = {"user": there["USER"] or "this user", "name": there["NAME"], "said": text}
    mend = trouble.mend.format(**words)
    if embedded and "DATABASE_URL" in mend:
        mend = f"see {settings.DATA_DIR.path / 'postgres.log'}"
    return Finding(f"{_where()} {trouble.what.format(**words)}", mend)


def is_disk_full(error: BaseException) -> bool:
    """Did the database refuse to write for want of room?"""
    return DISK_FULL.is_it(_state(error), str(error))


def _state(error: BaseException) -> str:
    """The SQLSTATE, from the driver's error below Django's."""
    for one in _chain(error):
        if isinstance(one, psycopg.Error) and one.sqlstate:
            return one.sqlstate
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _where() -> str:
    if not settings.DATABASE_URL:
        return f"The embedded PostgreSQL of {settings.DATA_DIR.path}"
    parameters = connection_parameters()
    host = str(parameters.get("host") or "this machine's socket")
    return f"PostgreSQL at {host}" if "/" in host else f"PostgreSQL at {host}:{parameters.get('port') or 5432}"


def _embedded_disk_is_full() -> bool:
    """PostgreSQL whose log of changes finds no room panics, and its clients only see the connection break off."""
    try:
        return shutil.disk_usage(settings.DATA_DIR.path / "pg18").free < WAL_SEGMENT_BYTES
    except OSError:
        return False
