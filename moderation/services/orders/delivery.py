"""Orders reach the client's platform: signed, retried with the same webhook-id, one at a time in their line.

Delivering is three steps, so that no transaction is open while the network is: take the order under a lease, send,
record the answer under the case's lock. A worker that dies in between is replaced when its lease runs out, and the
client sees the same webhook-id again.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Coalesce, Now

from moderation.errors import Conflict, IllegalMove, NotFound
from moderation.faultpoints import reach
from moderation.models import Attempt, Case, Client, Order, Subject
from moderation.models.actions import SubjectKind
from moderation.models.facts import tell, tell_standing
from moderation.models.work import Taken
from moderation.rights import Actor, Verb, require
from moderation.selectors.access import locked
from moderation.selectors.feeds import Standing, effects
from moderation.services.orders import closing, enforcement, webhooks
from moderation.services.orders.webhooks import Reply, clean
from moderation.services.post.wakeup import wake_relay
from moderation.services.record.history import SYSTEM, note, note_orders
from moderation.states import IN_LINE, Direction, OrderStatus

PULLED_AT_ONCE = 100

_log = logging.getLogger(__name__)


def deliver(order_id: uuid.UUID) -> None:
    """Try once to deliver this order, if it is its turn and nobody else is at it."""
    order = take(order_id)
    if order is None:
        return
    reach("deliver.taken")
    reply = webhooks.post(order.client, order.pk, order.notice.document, order.taken)
    if not reply.sent and order.taken.is_over():
        # As if this worker had died: whoever has the order now, or takes it next, knows better.
        _log.warning("order %s: this process stood still for longer than its lease; nothing was sent", order.pk)
        return
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
    asked = time.monotonic()
    order = (
        Order.objects.heads()
        .free()
        .annotate(now=Now())
        .select_for_update(of=("self",), no_key=True)
        .select_related("client", "undoes", "notice")
        .filter(pk=order_id, due_at__lte=Now())
        .first()
    )
    if order is None:
        return None
    if order.direction == Direction.APPLY and order.expires_at is not None and order.expires_at <= order.now:
        over = Order.objects.filter(pk=order.pk).become(status=OrderStatus.EXPIRED, released_at=Now())
        _note(case, order, "order.expired", tells=tell_standing(*over))
        closing.settle_or_reopen(case)
        return None
    order.taken = Taken(order.now, asked, webhooks.LEASE)
    order.lease_token = uuid.uuid4()
    Order.objects.filter(pk=order.pk).update(
        status=OrderStatus.DELIVERING,
        lease_token=order.lease_token,
        lease_until=Now() + webhooks.LEASE,
        attempts=F("attempts") + 1,
        # Its 72 hours begin with the first try, even where the client had a look at it before.
        first_tried_at=order.first_tried_at if order.attempts else Now(),
    )
    order.attempts += 1
    return order


def _case_of(order_id: uuid.UUID, **more: Any) -> Case | None:
    """The order's case, locked."""
    return (
        Case.objects.select_related("decision")
        .select_for_update(of=("self",), no_key=True)
        .filter(orders__pk=order_id, **more)
        .first()
    )


def _locked(order_id: uuid.UUID, case: Case) -> tuple[Order, datetime]:
    """An order of `case`, whose row is locked, behind the lock of its subject; and the database's clock.

    Behind the subject's, because an order may end others about the same effect, in other cases, and because those who
    plan, there, may be taking this one out of its line.
    """
    Subject.objects.select_for_update(of=("self",), no_key=True).filter(orders__pk=order_id).first()
    order = (
        case.orders.annotate(now=Now())
        .select_for_update(of=("self",), no_key=True)
        .select_related("undoes")
        .get(pk=order_id)
    )
    return order, order.now


# --- record ------------------------------------------------------------------------------------------------------


def record(taken: Order, reply: Reply) -> None:
    """Write down what the try brought, move the order and its case on, and let the next in line go."""
    with transaction.atomic():
        case = locked(taken.case_id)
        order, now = _locked(taken.pk, case)
        attempt = Attempt.objects.create(
            order=order,
            http_status=reply.http_status,
            result=reply.result or "",
            error="" if reply.result else reply.detail[:2000],
            milliseconds=reply.milliseconds,
        )
        if order.status in IN_LINE and order.lease_token != taken.lease_token:
            _log.warning("order %s was taken over while it was being delivered; only the try was logged", order.pk)
            return
        if order.lease_token == taken.lease_token:
            order.lease_until = order.published_until = None
        if order.status not in IN_LINE:
            _end_overtaken(case, order, reply, now)
        elif reply.result is not None:
            confirm(case, order, reply.result, reply.detail, now)
        else:
            _fail(case, order, reply.detail, attempt, now)
        closing.settle_or_reopen(case)
        wake_relay()
        reach("deliver.in_record")
    webhooks.watch(taken.client_id, reply)


def confirm(case: Case, order: Order, result: OrderStatus, detail: str, now: datetime) -> None:
    """The client has answered: the order is done, and a reversal ends every order of the effect it took back."""
    order.status = order.result = result
    order.detail, order.last_error = detail, ""
    if result != OrderStatus.REFUSED:
        order.applied_at = now
    order.save()
    ended: list[Order] = []
    if order.undoes is not None:
        if result == OrderStatus.REFUSED:
            ended = Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.REVERSING).become(
                status=OrderStatus.REFUSED, last_error=f"The platform refused to reverse it. {detail}".strip()
            )
        else:
            ended = Order.objects.filter(
                Q(pk=order.undoes.pk) | Q(sequence__lt=order.sequence),
                subject_id=order.subject_id,
                action=order.undoes.action,
                direction=Direction.APPLY,
                status__in=[OrderStatus.REVERSING, OrderStatus.RETAINED],
            ).become(status=OrderStatus.REVERSED, reversed_at=now)
    here = [one for one in ended if one.case_id == case.pk]
    _note(case, order, f"order.{result.value}", tells=tell("order_answer", order) | tell_standing(order, *here))
    note_orders("order.reversed", [one for one in ended if one.case_id != case.pk])
    if result == OrderStatus.ALREADY and detail.strip() == webhooks.OVERTAKEN:
        enforcement.reverse_anew(case, order)


def _fail(case: Case, order: Order, why: str, attempt: Attempt, now: datetime) -> None:
    order.last_error = why[:2000]
    again = webhooks.next_try(order.attempts, order.first_tried_at or now, now)
    if again is None:
        fail_for_good(case, order, attempt)
        return
    order.status, order.due_at = OrderStatus.PLANNED, again
    order.save()
    if order.attempts == 1:
        _note(case, order, "order.delayed", attempt_id=attempt.pk)


def fail_for_good(case: Case, order: Order, attempt: Attempt | None = None, *, code: str = "") -> None:
    """Nothing came of it: the order leaves the line and is listed for supervisors. `attempt`: the last one; `code`: why
    there will be no other (models.order.GIVEN_UP)."""
    order.status = OrderStatus.FAILED
    order.save()
    undone: list[Order] = []
    if order.undoes is not None:
        undone = Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.REVERSING).become(
            status=OrderStatus.FAILED, last_error=f"Its reversal could not be delivered. {order.last_error}"
        )
    said = {"attempt_id": attempt.pk} if attempt is not None else {"code": code}
    _note(case, order, "order.failed", tells=tell_standing(order, *undone), **said)


def _end_overtaken(case: Case, order: Order, reply: Reply, now: datetime) -> None:
    """This order left its line while the try was in the air: its reversal took its place, or somebody gave it up.

    A word it had before counts: the client knows its id and does nothing twice.
    """
    if order.result:
        return
    if reply.result is not None:
        order.result, order.detail = reply.result, reply.detail
        if reply.result != OrderStatus.REFUSED:
            order.applied_at = now
    else:
        order.last_error = reply.detail[:2000]
    order.save()
    if order.result:
        _note(case, order, f"order.{order.result}", tells=tell("order_answer", order))
    if reply.http_status is not None:
        # It has landed now, so the reversal may go. Without an answer it may still be on its way: then the lease ends.
        Order.objects.filter(undoes=order, status=OrderStatus.PLANNED, first_tried_at=None).update(due_at=Now())
    if reply.may_be_obeyed:
        enforcement.make_good(case, order)


# --- pull mode, and a second chance ------------------------------------------------------------------------------


@transaction.atomic
def hand_out(client: Client) -> list[Order]:
    """The orders a client without a webhook may carry out now. Seen counts as tried: it may apply them at once.

    Listed is what is marked, under its lock: a rollback either finds the mark, and takes back what the client has
    just fetched, or it comes first, and the client does not see the order. What somebody has in hand this very moment
    is left for the next time, so nothing waits here. One statement when nothing is new, else three.
    """
    ready = Q(due_at__lte=Now())
    if not client.webhook_url:
        ready |= Q(attempts__gt=0)  # it waited for its next try by webhook, and there is none any more
    heads = Order.objects.heads().free().filter(ready, client=client).select_related("notice")
    orders = list(heads.order_by("-priority", "created_at", "pk")[:PULLED_AT_ONCE])
    new = [order.pk for order in orders if order.listed_at is None]
    if not new:
        return orders
    here = Order.objects.free().filter(pk__in=new, status__in=IN_LINE).select_for_update(no_key=True, skip_locked=True)
    marked = set(here.values_list("pk", flat=True))
    Order.objects.filter(pk__in=marked).update(listed_at=Now(), first_tried_at=Coalesce("first_tried_at", Now()))
    return [order for order in orders if order.listed_at is not None or order.pk in marked]


def show_standing(client: Client, kind: SubjectKind, external_id: str) -> Standing:
    """What should be in force on one subject. Seen counts as tried here too: a client makes it so before its webhook
    comes, so a decision that lets go of it must have it reversed. Two statements when nothing is new."""
    while True:
        standing = effects(client, kind, external_id)
        new = [effect.order.pk for effect in standing.effects if effect.order.first_tried_at is None]
        if not new:
            return standing
        # And look again: what was let go of meanwhile is not marked, and not shown.
        Order.objects.holding().filter(pk__in=new, first_tried_at=None).update(first_tried_at=Now())


@transaction.atomic
def confirm_pulled(order_id: uuid.UUID, *, by: Actor, result: OrderStatus, detail: str) -> Order:
    """The client says by itself how an order ended. Said a second time it changes nothing.

    Raises NotAllowed, NotFound, IllegalMove `not_next` (another order comes first), Conflict while a webhook is just
    under way.
    """
    require(by, Verb.CONFIRM)
    case = _case_of(order_id, client_id=by.client) if by.client is not None else None
    if case is None:
        raise NotFound("There is no such order.")
    order, now = _locked(order_id, case)
    if order.status in IN_LINE:
        if not Order.objects.heads().filter(pk=order.pk).exists():
            raise IllegalMove("Another order on this case or subject comes first.", code="not_next")
        if order.lease_until is not None and order.lease_until > now:
            raise Conflict("This order is just being delivered by webhook.", code="in_flight")
        order.first_tried_at = order.first_tried_at or now
        order.attempts += 1
        confirm(case, order, result, clean(detail), now)
        closing.settle_or_reopen(case)
        wake_relay()
    elif order.first_tried_at is not None:
        _end_overtaken(case, order, Reply(result, clean(detail)), now)
        closing.settle_or_reopen(case)
    return order


@transaction.atomic
def replay(order_id: uuid.UUID, *, by: Actor) -> Order:
    """Send a failed order once more, behind whatever waits for its subject now, under the same webhook-id.

    Raises IllegalMove: `superseded` when its decision no longer wants it or a later order on the same subject and
    action exists; plain when it has not failed, or when its client is not active.
    """
    require(by, Verb.REPLAY)
    case = _case_of(order_id)
    if case is None:
        raise NotFound("There is no such order.")
    order, now = _locked(order_id, case)
    if order.status != OrderStatus.FAILED:
        raise IllegalMove("Only an order that has failed can be sent again.")
    if not order.client.is_active:
        raise IllegalMove("Its client is not active: nothing is sent to it.", code="inactive")
    later = Order.objects.about(order.subject_id, order.effect).filter(sequence__gt=order.sequence)
    if later.exists() or (order.undoes is None and order.released_at is not None):
        raise IllegalMove("A later decision has overtaken this order; it is not sent again.", code="superseded")
    subject = order.subject
    subject.last_sequence += 1
    subject.save(update_fields=["last_sequence"])
    order.sequence = subject.last_sequence
    order.place = (case.orders.aggregate(last=Max("place"))["last"] or 0) + 1
    order.status, order.attempts, order.due_at, order.first_tried_at = OrderStatus.PLANNED, 0, now, now
    order.listed_at = None
    order.save()
    order.notice.document["data"]["sequence"] = order.sequence
    order.notice.save(update_fields=["document"])
    undone: list[Order] = []
    if order.undoes is not None:
        failed = Order.objects.filter(pk=order.undoes.pk, status=OrderStatus.FAILED)
        undone = failed.become(status=OrderStatus.REVERSING)
    tells = tell_standing(order, *undone)
    note(case, "order.replayed", by=by, tells=tells, order_id=str(order.pk), action=order.action)
    wake_relay()
    return order


def _note(case: Case, order: Order, what: str, *, tells: dict[str, str] | None = None, **data: Any) -> None:
    note(case, what, by=SYSTEM, tells=tells, order_id=str(order.pk), action=order.action, **data)
