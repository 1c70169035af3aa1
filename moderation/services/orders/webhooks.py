"""Posting to a client's endpoint: signed, bounded, its replies read, its failures remembered.

Orders (delivery) and notices share this: the schedule of retries, the two live secrets, the probing of an endpoint
that fails.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
import uuid
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now
from uuid_utils.compat import uuid7

from moderation import outbound, signing
from moderation.clock import database_now
from moderation.models import Client, Notice, Order
from moderation.models.work import Taken
from moderation.services.post.wakeup import wake_relay
from moderation.states import OrderStatus

LEASE = timedelta(seconds=30)
"""Longer than the 10 s a try may take in all; well under the minute in which everything must go on."""
RETRY_SECONDS = (1, 5, 30, 120, 600, 3600, 21_600)
"""Waits after each failed try; then every 12 h (contract section 5)."""
LAST_WAIT_SECONDS = 43_200
GIVE_UP_AFTER = timedelta(hours=72)
PROBE_EVERY_SECONDS = 30
MAX_UNPACKED = 65_536
OVERTAKEN = "overtaken"
"""The detail with which a client says that it did nothing, because it had obeyed something later."""
RESULTS = {"applied": OrderStatus.APPLIED, "already": OrderStatus.ALREADY, "refused": OrderStatus.REFUSED}


@dataclass(frozen=True)
class Reply:
    """What a try brought: a result if the client confirmed, else an error in words. `sent`: some of it had left."""

    result: OrderStatus | None
    detail: str = ""
    http_status: int | None = None
    milliseconds: int = 0
    sent: bool = True

    @property
    def may_be_obeyed(self) -> bool:
        """Not refused, and not answered as overtaken (contract section 5); what had no answer may have been obeyed."""
        overtaken = self.result == OrderStatus.ALREADY and self.detail.strip() == OVERTAKEN
        return self.sent and self.result != OrderStatus.REFUSED and not overtaken


def post(client: Client, message_id: uuid.UUID, document: dict[str, Any], taken: Taken | None = None) -> Reply:
    """Post the document once; touches no table. Never raises for what the other side does. At most 10 s, and never
    after the lease: what a worker that stood still has in hand may be undone by now.

    `taken`: the lease, which knows the time; None for what nobody leases, which asks the database for it.
    """
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    now = taken.now() if taken is not None else database_now()
    secrets = [client.webhook_secret]
    if client.old_webhook_secret and (client.old_secret_until is None or client.old_secret_until > now):
        secrets.append(client.old_webhook_secret)
    headers = signing.sign(secrets, str(message_id), now, body)
    started = time.monotonic()
    try:
        answer = outbound.post(
            client.webhook_url,
            body=body,
            headers={**headers, "content-type": "application/json", "user-agent": "Guardian-Webhooks/1"},
            allow_loopback=settings.ALLOW_LOOPBACK_WEBHOOKS,
            not_after=taken.ends if taken is not None else math.inf,
        )
    except outbound.OutboundError as error:
        return Reply(None, str(error), milliseconds=_since(started), sent=error.sent)
    if not 200 <= answer.status < 300:
        return Reply(None, f"The endpoint answered {answer.status}.", answer.status, _since(started))
    result, detail = _confirmation(_unpacked(answer.body, answer.encoding))
    return Reply(result, detail, answer.status, _since(started))


def ping(client: Client) -> Reply:
    """Post a ping that is in nobody's feed, to see whether the endpoint answers."""
    document = {"type": "ping", "timestamp": database_now().isoformat(), "data": {}}
    return post(client, uuid7(), document)


def next_try(attempts: int, first_tried_at: datetime, now: datetime) -> datetime | None:
    """When to try again after `attempts` failed ones; None: never, the 72 hours are over. `now`: the database's."""
    last = first_tried_at + GIVE_UP_AFTER
    if now >= last:
        return None
    wait = RETRY_SECONDS[attempts - 1] if attempts <= len(RETRY_SECONDS) else LAST_WAIT_SECONDS
    return min(now + timedelta(seconds=wait), last)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """An answer that was packed although we ask for plain ones, up to 64 kB of it; empty if we cannot unpack it: 2xx
    confirms whatever the body says."""
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return b""
    for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # with a header, gzip's or zlib's, or as some `deflate`: bare
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(form).decompress(body, MAX_UNPACKED)
    return b""


def _confirmation(body: bytes) -> tuple[OrderStatus, str]:
    """2xx confirms; a JSON object may say more. Anything else in the body is not ours to judge."""
    try:
        said = json.loads(body) if body else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return OrderStatus.APPLIED, ""
    word, detail = said.get("result"), said.get("detail")
    result = RESULTS.get(word, OrderStatus.APPLIED) if isinstance(word, str) else OrderStatus.APPLIED
    return result, clean(detail) if isinstance(detail, str) else ""


def clean(detail: str) -> str:
    """A client's free words, as they can be stored: bounded, without NUL or lone surrogates."""
    return detail.replace("\x00", "").encode(errors="replace").decode()[:1000]


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


# --- the endpoint's health ---------------------------------------------------------------------------------------


def watch(client_id: int, reply: Reply) -> None:
    """Keep whether the endpoint fails. Its first success makes everything that waits for it due at once."""
    if reply.result is None:
        Client.objects.filter(pk=client_id).update(failing_since=Coalesce("failing_since", Now()), tried_at=Now())
        return
    if Client.objects.filter(pk=client_id, failing_since__isnull=False).update(failing_since=None, tried_at=Now()):
        for waiting in _waiting(client_id):
            with transaction.atomic():
                # A row somebody is just working on needs no push.
                free = waiting.select_for_update(skip_locked=True, no_key=True)
                waiting.filter(pk__in=list(free.values_list("pk", flat=True))).update(
                    due_at=Now(), published_until=None
                )
        wake_relay()


def probe_failing_endpoints() -> int:
    """Try every failing endpoint again at least every 30 s, whatever its messages' own waits. Safe to run twice."""
    quiet = Client.objects.filter(
        failing_since__isnull=False, tried_at__lte=Now() - timedelta(seconds=PROBE_EVERY_SECONDS)
    ).exclude(webhook_url="")
    probed = 0
    for client_id in list(quiet.values_list("pk", flat=True)):
        if quiet.filter(pk=client_id).update(tried_at=Now()):
            for waiting in _waiting(client_id):
                first = waiting.filter(Q(lease_until=None) | Q(lease_until__lte=Now())).order_by("due_at", "pk").first()
                if first is not None:
                    probed += waiting.filter(pk=first.pk).update(due_at=Now(), published_until=None)
                    break
    if probed:
        wake_relay()
    return probed


def _waiting(client_id: int) -> tuple[QuerySet[Order], QuerySet[Notice]]:
    """What was tried and waits to be tried again."""
    return (
        Order.objects.filter(client_id=client_id, status=OrderStatus.PLANNED, attempts__gt=0),
        Notice.objects.waiting().filter(client_id=client_id, attempts__gt=0),
    )
