"""Who is next in line: said once on the queryset, and once more in the relay's SQL. Both must mean the same."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from moderation.models import Client, Decision, Notice, Order, Subject
from moderation.services.post import outbox
from moderation.states import IN_LINE, Direction, OrderStatus
from moderation.tests.people import app, work

LINES = 3
ORDERS = some.lists(
    some.tuples(
        some.integers(0, LINES - 1),
        some.integers(0, LINES - 1),
        some.integers(1, 6),
        some.sampled_from([*IN_LINE, OrderStatus.APPLIED, OrderStatus.FAILED, OrderStatus.REVERSING]),
    ),
    max_size=12,
)
"""(case, subject, place in the case, status); the sequence on the subject is the number in the list, turned round."""


@pytest.fixture
def decisions(database: None, monkeypatch: pytest.MonkeyPatch) -> list[Decision]:
    """Three decided cases of a client with an endpoint; whose caps are out of the way."""
    monkeypatch.setitem(outbox._LOOK, "cap", 1000)
    client = app()
    for number in range(LINES):
        case_id = client.start(author_id=f"author-{number}")
        work()
        assert client.decide(case_id, outcome="no_violation", reason="Fine.").status_code == 202
        work()
    for number in range(LINES):
        Subject.objects.create(client=client.client, kind="author", external_id=f"author-{number}")
    Client.objects.update(webhook_url="https://hooks.example/")
    return list(Decision.objects.select_related("case").order_by("pk"))


@given(ORDERS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_relay_offers_the_heads_of_the_lines(
    decisions: list[Decision], told: list[tuple[int, int, int, OrderStatus]]
) -> None:
    Notice.objects.all().delete()
    Order.objects.all().delete()
    subjects = list(Subject.objects.order_by("pk"))
    Order.objects.bulk_create(
        Order(
            case=decisions[case].case,
            client_id=decisions[case].case.client_id,
            decision=decisions[case],
            subject=subjects[subject],
            direction=Direction.APPLY,
            action=f"action-{number}",
            place=place,
            sequence=len(told) - number,
            status=status,
            priority=1,
            due_at=Now(),
        )
        for number, (case, subject, place, status) in enumerate(told)
    )
    heads = set(Order.objects.heads().values_list("pk", flat=True))
    assert {offer.id for offer in outbox.claim(starts_at_once=8)} == heads
    waiting = [order for order in Order.objects.all() if order.status in IN_LINE]
    assert heads == {
        order.pk
        for order in waiting
        if not any(
            (other.case_id == order.case_id and other.place < order.place)
            or (other.subject_id == order.subject_id and other.sequence < order.sequence)
            for other in waiting
        )
    }
