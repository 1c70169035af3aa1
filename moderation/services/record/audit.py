"""Seals the history into a hash chain, and checks that it holds.

Places are given after commit by one job at a time: numbering inside the writing transactions would either serialise
them or, ordered by id, report false tampering under concurrency (measured: 39 broken links of 1,600).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from moderation.models import Event, Seal
from moderation.services.record import tallies

BATCH = 1000
LONGEST_TRANSACTION = timedelta(minutes=15)
"""No transaction lives longer (the database ends it), so no event appears later than this behind a sealed one."""
GENESIS = "0" * 64


def canonical(event: Event) -> bytes:
    """The bytes of an event that are hashed: sorted JSON of everything it says."""
    said = {
        "id": event.pk,
        "case": str(event.case_id) if event.case_id else None,
        "client": event.client_id,
        "type": event.type,
        "actor": event.actor,
        "data": event.data,
        "at": event.at.isoformat(),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def link(previous: str, event: Event) -> str:
    """sha256 hex over the previous link and the event."""
    return hashlib.sha256(previous.encode() + canonical(event)).hexdigest()


@transaction.atomic
def seal() -> int:
    """Give every committed event that has none its place in the chain; answers how many. Safe to run twice at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('guardian-seal', 0))")
        if not cursor.fetchone()[0]:
            return 0
    last = Seal.objects.select_related("event").order_by("-position").first()
    waiting = Event.objects.filter(seal=None).order_by("pk")
    if last is not None:
        waiting = waiting.filter(at__gt=last.event.at - LONGEST_TRANSACTION)
    position, previous = (last.position, last.hash) if last else (0, GENESIS)
    seals = []
    for event in waiting[:BATCH]:
        position, previous = position + 1, link(previous, event)
        seals.append(Seal(position=position, event=event, hash=previous))
    Seal.objects.bulk_create(seals)
    tallies.add(seal.event for seal in seals)
    return len(seals)


@dataclass(frozen=True)
class Broken:
    """The first place where the chain does not hold."""

    position: int
    event_id: int
    why: str


def verify() -> tuple[int, Broken | None]:
    """Walk the whole chain. Answers how many links were checked, and the first broken one if there is one."""
    checked, previous = 0, GENESIS
    for sealed in Seal.objects.select_related("event").order_by("position").iterator(chunk_size=2000):
        checked += 1
        if sealed.position != checked:
            return checked, Broken(sealed.position, sealed.event_id, f"position {checked} is missing before it")
        previous = link(previous, sealed.event)
        if previous != sealed.hash:
            return checked, Broken(sealed.position, sealed.event_id, "its content is not what was sealed")
    lost = Event.objects.filter(seal=None)
    newest = Seal.objects.order_by("-position").values_list("event__at", flat=True).first()
    if newest is not None:
        behind = lost.filter(at__lt=newest - LONGEST_TRANSACTION).order_by("pk").first()
        if behind is not None:
            return checked, Broken(0, behind.pk, "it stands behind the chain and was never sealed")
    return checked, None
