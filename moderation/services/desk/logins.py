"""How often a password may be tried. Django-axes was looked at: it has one limit for all that it counts, counts after
the password was hashed, by the web server's clock, and keeps names and addresses in the clear.

Three buckets run down with time, on the database's clock. The one of (name, address) is narrow: it stops guessing, and
locks nobody out who sits elsewhere. The wide ones, of the address and of the name, stop guessing many names from one
place and one name from many; whoever has logged in from an address before is not asked for them there, so that
strangers can lock nobody out of where they work.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpRequest

from moderation.models import LoginTries, User
from moderation.services.desk.people import LONGEST_NAME


@dataclass(frozen=True)
class Limit:
    """`tries` at once, and one more every `seconds`."""

    tries: int
    seconds: float


PAIR = Limit(5, 180.0)
ADDRESS = Limit(60, 20.0)
NAME = Limit(60, 60.0)
KNOWN = timedelta(days=90)
"""For so long an address is remembered from which somebody has logged in."""
FORGOTTEN = timedelta(days=2)

_SPEND = """
    INSERT INTO moderation_logintries AS bucket (key, spent, at)
    SELECT key, 1, now() FROM unnest(%(keys)s::text[]) AS key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        spent = 1 + greatest(
            0, bucket.spent - extract(epoch FROM now() - bucket.at) / (%(pace)s::jsonb->>bucket.key)::float
        ),
        at = now()
    RETURNING key, spent, good_at > now() - %(known)s
"""


def take(name: str, address: str) -> float:
    """Count one try of a password for `name` from `address`; 0 if it may be made, else for how many seconds not.

    One statement, before the password is looked at: of any number of tries at once no more pass than are free. A try
    that may not be made is not counted, so what is answered is when the next one may.
    """
    limits = dict(zip(_keys(name, address), (PAIR, ADDRESS, NAME), strict=True))
    pair = next(iter(limits))
    with transaction.atomic(), connection.cursor() as cursor:
        pace = "{" + ",".join(f'"{key}":{limit.seconds}' for key, limit in limits.items()) + "}"
        told: dict[str, Any] = {"keys": list(limits), "pace": pace, "known": KNOWN}
        cursor.execute(_SPEND, told)
        rows = cursor.fetchall()
        known = any(key == pair and good for key, _spent, good in rows)
        over = [
            (spent - limits[key].tries) * limits[key].seconds
            for key, spent, _good in rows
            if spent > limits[key].tries and (key == pair or not known)
        ]
        if over:
            transaction.set_rollback(True)
    return max(over, default=0.0)


def succeeded(name: str, address: str) -> None:
    """The password was right: this person's tries here are forgotten, and this one did not count for the others."""
    pair, *wide = _keys(name, address)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE moderation_logintries SET spent = CASE WHEN key = %(pair)s THEN 0 ELSE greatest(0, spent - 1) END,"
            " good_at = CASE WHEN key = %(pair)s THEN now() ELSE good_at END"
            " WHERE key IN (SELECT key FROM moderation_logintries WHERE key = ANY(%(keys)s) ORDER BY key FOR UPDATE)",
            {"pair": pair, "keys": [pair, *wide]},
        )


def forget() -> int:
    """Remove what has run down: what is older than two days, or 90 where somebody has logged in."""
    old = LoginTries.objects.filter(at__lt=Now() - FORGOTTEN)
    return old.exclude(good_at__gt=Now() - KNOWN).delete()[0]


def address_of(request: HttpRequest) -> str:
    """Whence the request came. Behind PROXY_COUNT proxies of ours that is what the outermost of them saw: the entry of
    X-Forwarded-For counted from the right; what stands before it anybody may have written."""
    address: str = request.META.get("REMOTE_ADDR", "")
    if settings.PROXY_COUNT:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        if len(hops) >= settings.PROXY_COUNT:
            address = hops[-settings.PROXY_COUNT]
    return address


class CountedBackend(ModelBackend):
    """Django's, which looks at a password only if one may be tried. Every door that asks for one comes through here.

    Where none may, `request.password_wait` holds the seconds until one may, and no password is hashed.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **more)
        address = address_of(request)
        wait = take(username, address)
        if wait:
            request.password_wait = math.ceil(wait)  # type: ignore[attr-defined]
            raise PermissionDenied
        user = super().authenticate(request, username, password, **more)
        if user is not None:
            succeeded(username, address)
        return user


def _keys(name: str, address: str) -> tuple[str, str, str]:
    """The keys of (name, address), of the address, of the name."""
    # Cut first: anybody may send a name of a megabyte, and NFKC of a run of marks takes time quadratic in it.
    name, place = unicodedata.normalize("NFKC", name[:LONGEST_NAME]), _network(address)
    return _hash("pair", name, place), _hash("address", place), _hash("name", name)


def _network(address: str) -> str:
    """The address; of IPv6 the /64, which is one household's."""
    # Some proxies write the caller's port beside it, which is another at every try.
    found = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+", address)
    try:
        parsed = ipaddress.ip_address((found[1] or found[2]) if found else address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _hash(*parts: str) -> str:
    said = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hmac.digest(settings.SECRET_KEY.encode(), b"login-tries\x00" + said, hashlib.sha256).hex()
