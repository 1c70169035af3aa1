"""Orders reach the client's platform: signed, retried with the same webhook-id, one at a time in their line.

Delivering is three steps, so that no transaction is open while the network is: take the order under a lease, send,
record the answer under the case's lock. A worker that dies in between is replaced when its lease runs out, and the
client sees the same webhook-id again.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from moderation import outbound, signing
from moderation.faultpoints import reach
from moderation.lifecycle import IN_LINE, Direction, OrderStatus
from moderation.models import Attempt, Case, Client, Order
from moderation.selectors.access import locked_case
from moderation.services import enforcement
from moderation.services.history import SYSTEM, note
from moderation.services.wakeup import wake_relay

LEASE = timedelta(seconds=30)
"""Longer than the 10 s a delivery may take in all; well under the minute in which everything must go on."""
RETRY_SECONDS = (1, 5, 30, 120, 600, 3600, 21_600)
"""Waits after each failed try; then every 12 h (contract section 5)."""
LAST_WAIT_SECONDS = 43_200
GIVE_UP_AFTER = timedelta(hours=72)
PROBE_EVERY_SECONDS = 30
RESULTS = {"applied": OrderStatus.APPLIED, "already": OrderStatus.ALREADY, "refused": OrderStatus.REFUSED}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What a try brought: a result if the client confirmed, else an error in words."""

    result: OrderStatus | None
    detail: str = ""
    http_status: int | None = None
    milliseconds: int = 0


def deliver(order_id: uuid.UUID) -> None:
    """Try once to deliver this order, if it is its turn and nobody else is at it."""
    order = take(order_id)
    if order is None:
        return
    reach("deliver.taken")
    reply = send(order)
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
        .select_related("client", "subject", "undoes", "decision__case")
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
        lease_until=Now() + LEASE,
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


# --- send --------------------------------------------------------------------------------------------------------


def body_of(order: Order) -> bytes:
    """The webhook's body: the same bytes at every try."""
    apply = order.direction == Direction.APPLY
    case = order.decision.case  # of a suspension sent again: the case that wants it, not the one that let it go
    data: dict[str, Any] = {
        "order_id": str(order.pk),
        "action": order.action,
        "params": order.params,
        "case_id": str(case.pk),
        "content_id": case.content_id,
        "author_id": case.author_id,
        "decision_id": str(order.decision_id),
        "sequence": order.sequence,
    }
    if not apply:
        data["reverses"] = str(order.names_id)
    document = {
        "type": "action.apply" if apply else "action.reverse",
        "timestamp": order.created_at.isoformat(),
        "data": data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def send(order: Order) -> Reply:
    """Post the order to its client; touches no table. Never raises for what the other side does."""
    client, body = order.client, body_of(order)
    secrets = [client.webhook_secret]
    if client.old_webhook_secret and (client.old_secret_until is None or client.old_secret_until > timezone.now()):
        secrets.append(client.old_webhook_secret)
    headers = signing.sign(secrets, str(order.pk), timezone.now(), body)
    started = time.monotonic()
    try:
        answer = outbound.post(
            client.webhook_url,
            body=body,
            headers={**headers, "content-type": "application/json", "user-agent": "Guardian-Webhooks/1"},
            allow_loopback=settings.ALLOW_LOOPBACK_WEBHOOKS,
        )
    except outbound.OutboundError as error:
        return Reply(None, str(error), milliseconds=_since(started))
    if not 200 <= answer.status < 300:
        return Reply(None, f"The endpoint answered {answer.status}.", answer.status, _since(started))
    result, detail = _confirmation(answer.body)
    return Reply(result, detail, answer.status, _since(started))


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
    return result, detail.replace("\x00", "")[:1000] if isinstance(detail, str) else ""


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


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
    _watch_endpoint(taken.client_id, answered=reply.http_status is not None and reply.result is not None)


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
    first = order.first_tried_at or timezone.now()
    if timezone.now() - first >= GIVE_UP_AFTER:
        fail_for_good(case, order)
        return
    wait = RETRY_SECONDS[order.attempts - 1] if order.attempts <= len(RETRY_SECONDS) else LAST_WAIT_SECONDS
    order.status = OrderStatus.PLANNED
    order.due_at = min(timezone.now() + timedelta(seconds=wait), first + GIVE_UP_AFTER)
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


def _watch_endpoint(client_id: int, *, answered: bool) -> None:
    """Keep whether the endpoint fails; its first success makes everything that waits for it due at once."""
    if not answered:
        Client.objects.filter(pk=client_id).update(failing_since=Coalesce("failing_since", Now()), tried_at=Now())
        return
    if Client.objects.filter(pk=client_id, failing_since__isnull=False).update(failing_since=None, tried_at=Now()):
        with transaction.atomic():
            Order.objects.filter(
                pk__in=Order.objects.select_for_update(skip_locked=True)
                .filter(client_id=client_id, status=OrderStatus.PLANNED, attempts__gt=0)
                .values("pk")
            ).update(due_at=Now(), published_until=None)
            wake_relay()


def probe_failing_endpoints() -> int:
    """Try every failing endpoint again at least every 30 s, whatever its orders' own waits. Safe to run twice."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH tired AS (
                UPDATE moderation_client SET tried_at = now()
                WHERE failing_since IS NOT NULL AND webhook_url <> '' AND tried_at <= now() - make_interval(secs => %s) RETURNING id
            )
            UPDATE moderation_order SET due_at = now(), published_until = NULL
            WHERE id IN (
                SELECT DISTINCT ON (o.client_id) o.id FROM moderation_order o JOIN tired ON tired.id = o.client_id
                WHERE o.status = 'planned' AND o.attempts > 0 AND (o.lease_until IS NULL OR o.lease_until <= now())
                ORDER BY o.client_id, o.due_at
            )
            """,
            [PROBE_EVERY_SECONDS],
        )
        count: int = cursor.rowcount
    if count:
        wake_relay()
    return count


def _note(case: Case, order: Order, what: str, **data: Any) -> None:
    note(case, what, actor=SYSTEM, order_id=str(order.pk), action=order.action, **data)
