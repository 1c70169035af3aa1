"""Sessions that end: after 30 minutes without activity, and 12 hours after they began, on the database's clock.

The row's own `expire_date` is the rule: it is read in the query that loads the session, and moved by one statement, at
most once a minute, when somebody does something. What is no activity (a page that looks again by itself) leaves it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.backends import db
from django.db import connection
from django.db.models.functions import Now

IDLE = timedelta(minutes=30)
WHOLE = timedelta(hours=12)
KEPT_TO = timedelta(minutes=1)
"""How exactly the last activity is kept: no request but the first in a minute writes."""
_BEGAN = "_began"


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with an end."""

    _now: datetime | None = None
    _ends: datetime | None = None

    def load(self) -> dict[str, Any]:
        row = (
            self.model.objects.annotate(now=Now())
            .filter(session_key=self.session_key, expire_date__gt=Now())
            .values_list("session_data", "expire_date", "now")
            .first()
        )
        data = self.decode(row[0]) if row is not None else {}
        if row is None or _BEGAN not in data:  # without a beginning: from before sessions had an end
            self._session_key = None
            return {}
        _, self._ends, self._now = row
        return data

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """A new session lasts as long as one in which something was just done; an old one as long as it did."""
        self._now = self._now or _database_now()
        began = data.setdefault(_BEGAN, self._now.timestamp())
        if self._ends is None:
            self._ends = min(self._now + IDLE, _whole(began))
        row = super().create_model_instance(data)
        row.expire_date = self._ends
        return row

    def cycle_key(self) -> None:
        """At log-in: all of its time begins anew."""
        self._now = self._ends = None
        self.pop(_BEGAN, None)
        super().cycle_key()

    def flush(self) -> None:
        self._now = self._ends = None
        super().flush()

    @classmethod
    def clear_expired(cls) -> None:
        cls.get_model_class().objects.filter(expire_date__lt=Now()).delete()

    @property
    def seconds_left(self) -> int | None:
        """Until it ends if nothing is done; None where there is none."""
        return round((self._ends - self._now).total_seconds()) if self._ends and self._now else None

    def keep_alive(self) -> None:
        """Something was done. No statement if that was said less than a minute ago."""
        if self._ends is None or self._now is None or self.session_key is None:
            return
        ends = min(self._now + IDLE, _whole(self[_BEGAN]))
        if ends - self._ends < KEPT_TO:
            return
        self.model.objects.filter(session_key=self.session_key).update(expire_date=ends)
        self._ends = ends


def _whole(began: float) -> datetime:
    return datetime.fromtimestamp(began, tz=UTC) + WHOLE


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
    return found
