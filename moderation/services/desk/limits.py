"""How often a key may call: a token bucket in PostgreSQL, shared by all processes.

Tokens are taken in small blocks, on the side of the request's transaction: a hot counter inside it would make every
request of a client wait for the one before.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from django.db import connection

from moderation.models import ApiKey

BLOCK = 20
BLOCK_SECONDS = 1.0
"""A block that was not used up after this is given up; the bucket refills faster than that matters."""


@dataclass(frozen=True)
class Allowance:
    """`allowed`: go ahead. `remaining`: about how many more; `wait_seconds`: until the next one if not allowed."""

    allowed: bool
    limit: int
    remaining: int
    wait_seconds: float = 0.0


@dataclass
class _Block:
    tokens: int
    left_in_bucket: float
    until: float


_blocks: dict[str, _Block] = {}
_lock = threading.Lock()

_TAKE = """
    INSERT INTO moderation_tokenbucket AS bucket (key_id, tokens, filled_at)
    VALUES (%(key)s, %(burst)s - %(want)s, clock_timestamp())
    ON CONFLICT (key_id) DO UPDATE SET
        tokens = least(%(burst)s, bucket.tokens
                 + extract(epoch FROM clock_timestamp() - bucket.filled_at) * %(rate)s) - %(want)s,
        filled_at = clock_timestamp()
    WHERE least(%(burst)s, bucket.tokens
          + extract(epoch FROM clock_timestamp() - bucket.filled_at) * %(rate)s) >= %(want)s
    RETURNING tokens
"""
_LEFT = """
    SELECT least(%(burst)s, tokens + extract(epoch FROM clock_timestamp() - filled_at) * %(rate)s)
    FROM moderation_tokenbucket WHERE key_id = %(key)s
"""


def spend(key: ApiKey) -> Allowance:
    """Take one token of `key`. One query for about every twentieth request; never inside a transaction."""
    rate, burst = key.client.rate_per_second, key.client.rate_burst
    with _lock:
        block = _blocks.get(key.pk)
        if block is not None and block.tokens > 0 and time.monotonic() < block.until:
            block.tokens -= 1
            return Allowance(allowed=True, limit=burst, remaining=int(block.tokens + block.left_in_bucket))
    for want in (min(BLOCK, max(1, burst // 10)), 1):
        left = _take(key, want, rate=rate, burst=burst)
        if left is not None:
            with _lock:
                _blocks[key.pk] = _Block(want - 1, left, time.monotonic() + BLOCK_SECONDS)
            return Allowance(allowed=True, limit=burst, remaining=int(left + want - 1))
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, {"key": key.pk, "burst": burst, "rate": rate})
        row = cursor.fetchone()
    missing = 1 - float(row[0] if row else 0)
    return Allowance(allowed=False, limit=burst, remaining=0, wait_seconds=max(0.0, missing) / rate if rate else 60.0)


def _take(key: ApiKey, want: int, *, rate: int, burst: int) -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"key": key.pk, "want": want, "burst": burst, "rate": rate})
        row = cursor.fetchone()
    return float(row[0]) if row else None
