"""What must happen by itself; every job is safe to run twice at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from moderation.models import IdempotentAnswer, Order, Worker
from moderation.services.desk import logins
from moderation.services.orders import announcements, closing, giving_up, webhooks
from moderation.services.record import audit
from moderation.services.record.history import note_orders
from moderation.sessions import SessionStore
from moderation.states import CONFIRMED, Direction, OrderStatus

ANSWERS_KEPT = timedelta(hours=48)

ENDED_AT_ONCE = 500
"""Suspensions that one run of the job ends."""


def end_expired_suspensions() -> int:
    """Suspensions whose time has come are over; the client ends them itself. Safe to run twice; the next run goes on
    with what was too much for this one, or in somebody's hands."""
    over = Order.objects.filter(
        direction=Direction.APPLY,
        status__in=[*CONFIRMED, OrderStatus.RETAINED],
        expires_at__lte=Now(),
    ).order_by("pk")
    with transaction.atomic():
        locked = over.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)[:ENDED_AT_ONCE]
        ended = Order.objects.filter(pk__in=list(locked)).become(status=OrderStatus.EXPIRED, released_at=Now())
        note_orders("order.expired", ended)
    return len(ended)


def forget_old_answers() -> int:
    """Idempotency keys are remembered for 48 hours."""
    return IdempotentAnswer.objects.filter(created_at__lt=Now() - ANSWERS_KEPT).delete()[0]


def forget_logins() -> int:
    """Sessions that have ended, and tries of passwords that have run down."""
    SessionStore.clear_expired()
    return logins.forget()


def forget_dead_workers() -> int:
    """Workers that said nothing for an hour."""
    return Worker.objects.filter(seen_at__lt=Now() - timedelta(hours=1)).delete()[0]


JOBS: dict[str, Callable[[], int]] = {
    "feed": announcements.place,
    "seal": audit.seal,
    "probe": webhooks.probe_failing_endpoints,
    "reopen": closing.reopen_overdue,
    "settle": closing.settle_overlooked,
    "expire": end_expired_suspensions,
    "give-up": giving_up.give_up_unconfirmed,
    "deactivated": giving_up.give_up_for_the_inactive,
    "forget-answers": forget_old_answers,
    "forget-logins": forget_logins,
    "forget-workers": forget_dead_workers,
}
"""By name; how often each runs is the postman's to know (queueing.celery.SCHEDULE)."""
