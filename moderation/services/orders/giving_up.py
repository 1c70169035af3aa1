"""Orders that nobody will carry out any more leave the line, so that nothing waits for them for ever."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from moderation.models import Order, Subject
from moderation.models.order import GIVEN_UP, Orders
from moderation.selectors.access import locked
from moderation.services.orders import closing, webhooks
from moderation.services.orders.delivery import fail_for_good
from moderation.services.post.wakeup import wake_relay
from moderation.states import IN_LINE

GIVEN_UP_AT_ONCE = 500
"""Cases that one run of a job goes through; the next run goes on."""


def give_up_unconfirmed() -> int:
    """What a client in pull mode has not confirmed within 72 hours of its first listing has failed; what it was never
    shown waits. Safe to run twice."""
    return _give_up(
        Order.objects.filter(client__webhook_url="", listed_at__lte=Now() - webhooks.GIVE_UP_AFTER),
        "unfetched",
    )


def give_up_for_the_inactive() -> int:
    """Nobody carries out the orders of a client that was deactivated: they have failed, and their cases go on. Once it
    is active again a supervisor may send them again, while their decisions stand. Safe to run twice."""
    return _give_up(Order.objects.filter(client__is_active=False), "deactivated")


def _give_up(orders: Orders, code: str) -> int:
    """Fail those of `orders` that are in line and in nobody's hands, case by case."""
    hopeless = orders.free().filter(status__in=IN_LINE)
    count = 0
    for case_id in list(hopeless.order_by("case_id").values_list("case_id", flat=True).distinct()[:GIVEN_UP_AT_ONCE]):
        with transaction.atomic():
            case = locked(case_id)
            # Its subjects before its orders, for a reversal that fails says so on the order it was to undo.
            subjects = hopeless.filter(case=case).values("subject")
            list(Subject.objects.select_for_update(no_key=True).filter(pk__in=subjects).order_by(*Subject.IN_ORDER))
            for order in (
                hopeless.filter(case=case)
                .select_related("undoes")
                .order_by("place")
                .select_for_update(of=("self",), no_key=True)
            ):
                order.last_error = GIVEN_UP[code]
                fail_for_good(case, order, code=code)
                count += 1
            closing.settle_or_reopen(case)
            wake_relay()
    return count
