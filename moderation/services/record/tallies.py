"""What /metrics counts, added up by the sealing job as it passes the events: no verb touches a counter, and no reader
counts rows. An event is sealed once, so it is counted once, in the seal's own transaction.

What an event does not tell is looked up in its row by id, one query for a whole batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q
from psycopg.types.json import Jsonb

from moderation.lifecycle import MOVES
from moderation.models import Assessment, Decision, Event, Tally
from moderation.states import Move, Outcome, Status

DECISIONS = "guardian_decisions_total"
DELIVERIES = "guardian_deliveries_total"
ANALYSES = "guardian_analysis_seconds_count"
ANALYSIS_SECONDS = "guardian_analysis_seconds_sum"
TOKENS = "guardian_tokens_total"
RESULTS = frozenset({"applied", "already", "refused", "failed", "delayed"})
"""How the delivery of an order went, as its events `order.<result>` say it; `delayed`: its first try failed."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A tally's name and labels."""

_ADD = """
    INSERT INTO moderation_tally AS t (name, labels, value) SELECT * FROM unnest(%s::text[], %s::jsonb[], %s::float8[])
    ON CONFLICT (name, labels) DO UPDATE SET value = t.value + excluded.value
"""


def add(events: Iterable[Event]) -> None:
    """Count what these events tell, in the caller's transaction. At most three statements, whatever their number."""
    counts: Counter[Key] = Counter()
    decided: list[str] = []
    analysed: list[tuple[object, int]] = []
    for event in events:
        word = event.type.removeprefix("order.")
        if event.type.startswith("order.") and word in RESULTS:
            counts[_key(DELIVERIES, result=word)] += 1
        elif event.type == MOVES[Move.DECIDE].event and event.data.get("decision_id"):
            decided.append(event.data["decision_id"])
        elif event.type == MOVES[Move.UNDO].event:
            counts[_key(DECISIONS, outcome="undone", via="console")] += 1
        elif event.type == MOVES[Move.CLEAR].event:
            counts[_key(DECISIONS, outcome=Outcome.CLEARED.value, via="agent")] += 1
        if event.data.get("from") == Status.PENDING_ANALYSIS and event.type != MOVES[Move.WITHDRAW].event:
            analysed.append((event.case_id, event.data.get("round", 1)))
    for outcome, via in Decision.objects.filter(pk__in=decided).values_list("outcome", "via") if decided else ():
        counts[_key(DECISIONS, outcome=outcome, via=via)] += 1
    for thought in _assessments(analysed):
        counts[_key(ANALYSES, analyst=thought.analyst)] += 1
        counts[_key(ANALYSIS_SECONDS, analyst=thought.analyst)] += thought.seconds  # type: ignore[assignment]
        counts[_key(TOKENS, direction="in", model=thought.model)] += thought.input_tokens
        counts[_key(TOKENS, direction="out", model=thought.model)] += thought.output_tokens
    if counts:
        names = [name for name, _ in counts]
        labels = [Jsonb(dict(pairs)) for _, pairs in counts]
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [names, labels, [float(value) for value in counts.values()]])


def totals() -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every tally by its name: its labels and how much. One query over a few dozen rows."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for tally in Tally.objects.order_by("name", "pk"):
        found.setdefault(tally.name, []).append((tally.labels, tally.value))
    return found


def _assessments(analysed: list[tuple[object, int]]) -> Iterable[Assessment]:
    if not analysed:
        return ()
    rounds = {round for _, round in analysed}
    of_round = (Q(round=round, case__in=[case for case, theirs in analysed if theirs == round]) for round in rounds)
    return Assessment.objects.filter(reduce(or_, of_round)).only(
        "analyst", "model", "seconds", "input_tokens", "output_tokens"
    )


def _key(name: str, **labels: str) -> Key:
    return name, tuple(sorted(labels.items()))
