"""Notices reach the client's endpoint: the same retries as orders, but no line: they block nothing."""

from __future__ import annotations

import time
import uuid

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from moderation.faultpoints import reach
from moderation.models import Attempt, Notice
from moderation.models.work import Taken
from moderation.services.orders import webhooks
from moderation.services.orders.webhooks import Reply


def deliver(notice_id: uuid.UUID) -> None:
    """Try once to deliver this notice, if it is due and nobody else is at it."""
    notice = take(notice_id)
    if notice is not None:
        reach("notice.taken")
        reply = webhooks.post(notice.client, notice.pk, notice.document, notice.taken)
        if not reply.sent and notice.taken.is_over():
            return  # this process stood still for longer than its lease: as if it had died
        reach("notice.sent")
        record(notice, reply)
        reach("notice.recorded")
        webhooks.watch(notice.client_id, reply)


def take(notice_id: uuid.UUID) -> Notice | None:
    """Lease the notice, or None."""
    token, asked = uuid.uuid4(), time.monotonic()
    taken = (
        Notice.objects.filter(pk=notice_id, order=None, delivered_at=None, failed_at=None, due_at__lte=Now())
        .filter(Q(lease_until=None) | Q(lease_until__lte=Now()))
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


@transaction.atomic
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
