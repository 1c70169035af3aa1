"""Orders reach the client's platform: signed, retried with the same webhook-id, one at a time in their line.

Delivering is three steps, so that no transaction is open while the network is: take the order under a lease, send,
record the answer under the case's lock. A worker that dies in between is replaced when its lease runs out, and the
client sees the same webhook-id again.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from moderation.faultpoints import reach
from moderation.lifecycle import IN_LINE, Direction, OrderStatus
from moderation.models import Attempt, Case, Order
from moderation.selectors.access import locked_case
from moderation.services import enforcement, webhooks
from moderation.services.history import SYSTEM, note
from moderation.services.wakeup import wake_relay
from moderation.services.webhooks import Reply

_log = logging.getLogger(__name__)


def deliver(order_id: uuid.UUID) -> None:
    """Try once to deliver this order, if it is its turn and nobody else is at it."""
    order = take(order_id)
    if order is None:
        return
    reach("deliver.taken")
    reply = webhooks.post(order.client, order.pk, order.notice.document)
    reach("deliver.sent")
    record(order, reply)
    reach("deliver.recorded")


# --- take --------------------------------------------------------------------------------------------------------


@transaction.atomic
def take(order_id: uuid.UUID) -> Order | None:
    """Lease the order, or None: not due, not at the head of its line, ended meanwhile, or somebody is at it."""
    case = _case_of(order_id)
    if case is None:
        return None
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client", "undoes", "notice")
        .filter(pk=order_id, status__in=IN_LINE, due_at__lte=Now())
        .filter(Q(lease_until=None) | Q(lease_until__lte=Now()))
        .first()
    )
    if order is None or _is_blocked(order):
        return None
    if order.direction == Direction.APPLY and order.expires_at is not None and order.expires_at <= timezone.now():
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.EXPIRED, released_at=Now())
        enforcement.settle_or_reopen(case)
        return None
    order.lease_token = uuid.uuid4()
    Order.objects.filter(pk=order.pk).update(
        status=OrderStatus.DELIVERING,
        lease_token=order.lease_token,
        lease_until=Now() + webhooks.LEASE,
        attempts=F("attempts") + 1,
        first_tried_at=order.first_tried_at or Now(),
    )
    order.attempts += 1
    return order


def _case_of(order_id: uuid.UUID) -> Case | None:
    case_id = Order.objects.filter(pk=order_id).values_list("case_id", flat=True).first()
    return locked_case(case_id) if case_id is not None else None


def _is_blocked(order: Order) -> bool:
    return (
        Order.objects.filter(status__in=IN_LINE)
        .filter(
            Q(case_id=order.case_id, place__lt=order.place)
            | Q(subject_id=order.subject_id, sequence__lt=order.sequence)
        )
        .exists()
    )


# --- record ------------------------------------------------------------------------------------------------------


def record(taken: Order, reply: Reply) -> None:
    """Write down what the try brought, move the order and its case on, and let the next in line go."""
    with transaction.atomic():
        case = locked_case(taken.case_id)
        order = Order.objects.select_for_update(of=("self",), no_key=True).select_related("undoes").get(pk=taken.pk)
        Attempt.objects.create(
            order=order,
            http_status=reply.http_status,
            result=reply.result or "",
            error="" if reply.result else reply.detail[:2000],
            milliseconds=reply.milliseconds,
        )
        if order.lease_token != taken.lease_token:
            _log.warning("order %s was taken over while it was being delivered; only the try was logged", order.pk)
            return
        order.lease_until = order.published_until = None
        if order.status != OrderStatus.DELIVERING:
            _end_overtaken(order, reply)
        elif reply.result is not None:
            confirm(case, order, reply.result, reply.detail)
        else:
            _fail(case, order, reply.detail)
        enforcement.settle_or_reopen(case)
        wake_relay()
        reach("deliver.in_record")
    webhooks.watch(taken.client_id, reply)


def confirm(case: Case, order: Order, result: OrderStatus, detail: str) -> None:
    """The client has answered: the order is done, and a reversal ends every order of the effect it took back."""
    order.status = order.result = result
    order.detail, order.last_error = detail, ""
    if result != OrderStatus.REFUSED:
        order.applied_at = timezone.now()
    order.save()
    if order.undoes is not None:
        if result == OrderStatus.REFUSED:
            Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.REVERSING).update(
                status=OrderStatus.REFUSED, last_error=f"The platform refused to reverse it. {detail}".strip()
            )
        else:
            Order.objects.filter(
                Q(pk=order.undoes.pk) | Q(sequence__lt=order.sequence),
                subject_id=order.subject_id,
                action=order.undoes.action,
                direction=Direction.APPLY,
                status__in=[OrderStatus.REVERSING, OrderStatus.RETAINED],
            ).update(status=OrderStatus.REVERSED, reversed_at=Now())
    _note(case, order, f"order.{result.value}", detail=detail)


def _fail(case: Case, order: Order, why: str) -> None:
    order.last_error = why[:2000]
    again = webhooks.next_try(order.attempts, order.first_tried_at or timezone.now())
    if again is None:
        fail_for_good(case, order)
        return
    order.status, order.due_at = OrderStatus.PLANNED, again
    order.save()
    if order.attempts == 1:
        _note(case, order, "order.delayed", error=order.last_error)


def fail_for_good(case: Case, order: Order) -> None:
    """Nothing came of it in 72 hours: the order leaves the line and is listed for supervisors."""
    order.status = OrderStatus.FAILED
    order.save()
    if order.undoes is not None:
        Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.REVERSING).update(
            status=OrderStatus.FAILED, last_error=f"Its reversal could not be delivered. {order.last_error}"
        )
    _note(case, order, "order.failed", error=order.last_error)


def _end_overtaken(order: Order, reply: Reply) -> None:
    """A rollback took this order's place while the try was in the air. It has landed now: the reversal may go."""
    if reply.result is not None:
        order.result, order.detail = reply.result, reply.detail
        if reply.result != OrderStatus.REFUSED:
            order.applied_at = timezone.now()
    else:
        order.last_error = reply.detail[:2000]
    order.save()
    Order.objects.filter(undoes=order, status=OrderStatus.PLANNED, first_tried_at=None).update(due_at=Now())


def _note(case: Case, order: Order, what: str, **data: Any) -> None:
    note(case, what, actor=SYSTEM, order_id=str(order.pk), action=order.action, **data)
