"""Notices reach the client's endpoint: the same retries as orders, but no line: they block nothing.

One client may be told much at once, and has two messages out at most. So a delivery that was confirmed takes the next
notice along, in the same turn: the way by the outbox's relay and back costs several times what the post itself does.
"""

# ruff: noqa: S608 - the statement is made of constants alone
from __future__ import annotations

import time
import uuid

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from moderation.faultpoints import reach
from moderation.models import Attempt, Client, Notice
from moderation.models.work import Taken
from moderation.services.orders import webhooks
from moderation.services.orders.webhooks import Reply
from moderation.services.post.outbox import FREE, NOTICE_WAITS
from moderation.services.post.wakeup import wake_relay

TURN_SECONDS = 0.25
"""No longer does one client's turn last before what waits for the thread, or for the endpoint (orders go first), may
go."""
_TAKE_NEXT = f"""
    UPDATE moderation_notice
    SET lease_token = %s, lease_until = now() + %s, attempts = attempts + 1,
        first_tried_at = coalesce(first_tried_at, now())
    WHERE id = (SELECT id FROM moderation_notice
                WHERE client_id = %s AND {NOTICE_WAITS} AND due_at <= now() AND {FREE}
                ORDER BY due_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING *, now() AS now
"""


def deliver(notice_id: uuid.UUID) -> None:
    """Try once to deliver this notice, if it is due and nobody else is at it; then those behind it, while they are
    confirmed and its turn lasts."""
    ends = time.monotonic() + TURN_SECONDS
    notice = take(notice_id)
    while notice is not None:
        reach("notice.taken")
        reply = webhooks.post(notice.client, notice.pk, notice.document, notice.taken)
        if not reply.sent and notice.taken.is_over():
            return  # this process stood still for longer than its lease: as if it had died
        reach("notice.sent")
        confirmed, client = reply.result is not None, notice.client
        with transaction.atomic():
            # The next lease begins with this one's end: an endpoint never has more out than it may.
            record(notice, reply)
            notice = _take_next(client) if confirmed and time.monotonic() < ends else None
        reach("notice.recorded")
        webhooks.watch(client.pk, reply)
        if confirmed and notice is None:
            wake_relay()  # there is room for another; one that fails is offered soon enough by the relay's poll


def take(notice_id: uuid.UUID) -> Notice | None:
    """Lease the notice, or None."""
    token, asked = uuid.uuid4(), time.monotonic()
    taken = (
        Notice.objects.waiting()
        .filter(Q(lease_until=None) | Q(lease_until__lte=Now()), pk=notice_id, due_at__lte=Now())
        .update(
            lease_token=token,
            lease_until=Now() + webhooks.LEASE,
            attempts=F("attempts") + 1,
            first_tried_at=Coalesce("first_tried_at", Now()),
        )
    )
    if not taken:
        return None
    leased = Notice.objects.select_related("client").annotate(now=Now())
    notice = leased.filter(pk=notice_id, lease_token=token).first()
    if notice is not None:
        notice.taken = Taken(notice.now, asked, webhooks.LEASE)
    return notice


def _take_next(client: Client) -> Notice | None:
    """Lease the next of the client's notices that nobody has in hand, or None; in one statement."""
    asked = time.monotonic()
    for notice in Notice.objects.raw(_TAKE_NEXT, [uuid.uuid4(), webhooks.LEASE, client.pk]):
        notice.client, notice.taken = client, Taken(notice.now, asked, webhooks.LEASE)  # type: ignore[attr-defined]
        return notice
    return None


@transaction.atomic(savepoint=False)
def record(taken: Notice, reply: Reply) -> None:
    """Write down what the try brought; after 72 hours a notice is given up and listed."""
    Attempt.objects.create(
        notice=taken,
        http_status=reply.http_status,
        result=reply.result or "",
        error="" if reply.result else reply.detail[:2000],
        milliseconds=reply.milliseconds,
    )
    changes: dict[str, object] = {"lease_until": None, "published_until": None}
    if reply.result is not None:
        changes |= {"delivered_at": Now(), "last_error": ""}
    else:
        again = webhooks.next_try(taken.attempts, taken.first_tried_at or taken.created_at, taken.taken.now())
        changes |= {"last_error": reply.detail[:2000]}
        changes |= {"failed_at": Now()} if again is None else {"due_at": again}
    Notice.objects.filter(pk=taken.pk, lease_token=taken.lease_token).update(**changes)
