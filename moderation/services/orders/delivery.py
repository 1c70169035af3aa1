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
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from moderation.errors import Conflict, IllegalMove, NotFound
from moderation.faultpoints import reach
from moderation.models import Attempt, Case, Client, Order, Subject
from moderation.rights import Actor, Verb, require
from moderation.selectors.access import locked
from moderation.selectors.feeds import heads
from moderation.services.orders import closing, webhooks
from moderation.services.orders.webhooks import Reply, clean
from moderation.services.post.wakeup import wake_relay
from moderation.services.record.history import SYSTEM, note
from moderation.states import IN_LINE, Direction, OrderStatus

PULLED_AT_ONCE = 100

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
        closing.settle_or_reopen(case)
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
    return locked(case_id) if case_id is not None else None


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
        case = locked(taken.case_id)
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
        closing.settle_or_reopen(case)
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


# --- pull mode, and a second chance ------------------------------------------------------------------------------


def hand_out(client: Client) -> list[Order]:
    """The orders a client without a webhook may carry out now. Seen counts as tried: it may apply them at once."""
    orders = list(heads(client)[:PULLED_AT_ONCE])
    if not client.webhook_url:
        Order.objects.filter(pk__in=[order.pk for order in orders], first_tried_at=None).update(first_tried_at=Now())
    return orders


@transaction.atomic
def confirm_pulled(client: Client, order_id: uuid.UUID, result: OrderStatus, detail: str) -> Order:
    """The client says by itself how an order ended. Said a second time it changes nothing.

    Raises NotFound, IllegalMove `not_next` (another order comes first), Conflict while a webhook is just under way.
    """
    case_id = Order.objects.filter(pk=order_id, client=client).values_list("case_id", flat=True).first()
    if case_id is None:
        raise NotFound("There is no such order.")
    case = locked(case_id)
    order = Order.objects.select_for_update(of=("self",), no_key=True).select_related("undoes").get(pk=order_id)
    if order.status in IN_LINE:
        if _is_blocked(order):
            raise IllegalMove("Another order on this case or subject comes first.", code="not_next")
        if order.lease_until is not None and order.lease_until > timezone.now():
            raise Conflict("This order is just being delivered by webhook.", code="in_flight")
        order.first_tried_at = order.first_tried_at or timezone.now()
        order.attempts += 1
        confirm(case, order, result, clean(detail))
        closing.settle_or_reopen(case)
        wake_relay()
    elif order.status in (OrderStatus.REVERSING, OrderStatus.RETAINED) and not order.result:
        _end_overtaken(order, Reply(result, clean(detail)))
    return order


def give_up_unfetched() -> int:
    """What a client in pull mode has not confirmed for 72 hours has failed. Safe to run twice."""
    late = Order.objects.filter(
        client__webhook_url="", status__in=IN_LINE, due_at__lte=Now() - webhooks.GIVE_UP_AFTER
    ).values_list("pk", "case_id")
    for pk, case_id in list(late):
        with transaction.atomic():
            case = locked(case_id)
            order = Order.objects.select_for_update(of=("self",)).select_related("undoes").get(pk=pk)
            if order.status in IN_LINE:
                order.last_error = "The client did not confirm it within 72 hours."
                fail_for_good(case, order)
                closing.settle_or_reopen(case)
    return len(late)


@transaction.atomic
def replay(order_id: uuid.UUID, *, by: Actor) -> Order:
    """Send a failed order once more, behind whatever waits for its subject now, under the same webhook-id.

    Raises IllegalMove: `superseded` when its decision no longer wants it or a later order on the same subject and
    action exists; plain when it has not failed.
    """
    require(by, Verb.REPLAY)
    found = Order.objects.filter(pk=order_id).values_list("case_id", "subject_id").first()
    if found is None:
        raise NotFound("There is no such order.")
    case = locked(found[0])
    subject = Subject.objects.select_for_update(no_key=True).get(pk=found[1])
    order = Order.objects.select_for_update(of=("self",)).select_related("undoes", "notice").get(pk=order_id)
    if order.status != OrderStatus.FAILED:
        raise IllegalMove("Only an order that has failed can be sent again.")
    effect = order.undoes.action if order.undoes is not None else order.action
    later = Order.objects.filter(subject=subject, sequence__gt=order.sequence).filter(
        Q(action=effect) | Q(undoes__action=effect)
    )
    if later.exists() or (order.undoes is None and order.released_at is not None):
        raise IllegalMove("A later decision has overtaken this order; it is not sent again.", code="superseded")
    subject.last_sequence += 1
    subject.save(update_fields=["last_sequence"])
    order.sequence = subject.last_sequence
    order.place = (case.orders.aggregate(last=Max("place"))["last"] or 0) + 1
    order.status, order.attempts, order.due_at, order.first_tried_at = (
        OrderStatus.PLANNED,
        0,
        timezone.now(),
        timezone.now(),
    )
    order.save()
    order.notice.document["data"]["sequence"] = order.sequence
    order.notice.save(update_fields=["document"])
    if order.undoes is not None:
        Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.FAILED).update(status=OrderStatus.REVERSING)
    note(case, "order.replayed", by=by, order_id=str(order.pk), action=order.action)
    wake_relay()
    return order


def _note(case: Case, order: Order, what: str, **data: Any) -> None:
    note(case, what, by=SYSTEM, order_id=str(order.pk), action=order.action, **data)
