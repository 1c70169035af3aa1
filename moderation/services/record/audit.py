"""Seals the history into a keyed hash chain, and checks that it holds, and that the rows are what it says of them.

Places are given after commit by one job at a time: numbering inside the writing transactions would either serialise
them or, ordered by id, report false tampering under concurrency (measured: 39 broken links of 1,600).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hmac import compare_digest

from django.db import connection, transaction
from django.db.models import Max

from moderation.canonical import moment
from moderation.errors import Unacceptable
from moderation.models import AuditHead, Case, Event, Seal
from moderation.services.record import rows, tallies
from moderation.services.record.chain import GENESIS, Key, link
from moderation.services.record.rows import Broken

BATCH = 1000
LOOKED_THROUGH_AT_ONCE = 50_000

_log = logging.getLogger(__name__)


# --- sealing -----------------------------------------------------------------------------------------------------


@transaction.atomic
def seal() -> int:
    """Give committed events that have none their place in the chain; answers how many. Safe to run twice at once.

    It goes on from the keyed head and from nothing else: what was cut off or put in its place stays a gap for verify()
    to find. Where the head itself is not to be trusted, nothing is sealed any more.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('guardian-seal', 0))")
        if not cursor.fetchone()[0]:
            return 0
    key, head = Key.present(), AuditHead.objects.first()
    last = Seal.objects.filter(position=head.entries).first() if head else Seal.objects.order_by("-position").first()
    if distrust := _distrust(head, last, key):
        _complain(distrust)
        return 0
    position, previous = (last.position, last.hash) if last else (0, GENESIS)
    moved = head or AuditHead(entries=position, hash=previous)
    before = (moved.entries, moved.bound, moved.mark, moved.holders)
    settled = _settle(moved)
    events = list(Event.objects.filter(seal=None, pk__gt=moved.bound).order_by("pk")[:BATCH])
    seals = []
    for event in events:
        position, previous = position + 1, link(previous, event)
        mac = key.seal(position, previous)
        seals.append(Seal(position=position, event=event, hash=previous, mac=mac, key_id=key.id))
    Seal.objects.bulk_create(seals)
    tallies.add(events)
    moved.entries, moved.hash = position, previous
    moved.bound = max(moved.bound, min(settled, events[-1].pk) if len(events) == BATCH else settled)
    if head is None or before != (moved.entries, moved.bound, moved.mark, moved.holders):
        moved.mac, moved.key_id = key.head(position, previous), key.id
        moved.save()
        _stamp()
    return len(events)


@cache
def _complain(distrust: str) -> None:
    """Once in this process, not at every beat."""
    _log.error("nothing is sealed: %s", distrust)


def _distrust(head: AuditHead | None, last: Seal | None, key: Key) -> str:
    """Why the chain must not be carried on from here; empty if it may. Another key may carry on what its own head
    vouches for; the seals go on naming the key they were made with."""
    if head is None:
        return "the head of the chain is gone" if last is not None and last.mac is not None else ""
    here = (last.position, last.hash) if last is not None else (0, GENESIS)
    if (head.entries, head.hash) != here:
        return "the last entry that the head of the chain counts is not there"
    if head.key_id == key.id:
        good = compare_digest(head.mac, key.head(head.entries, head.hash))
        return "" if good else "the head of the chain was not made with this key"
    return "" if last is None or last.key_id in (head.key_id, None) else "the head names another key than the last seal"


def _settle(head: AuditHead) -> int:
    """Up to which id every event is visible now, if it ever will be. No clock is asked: a clock can step back.

    Ids are given in the order of asking and become visible in the order of committing. Who asks for one holds this lock
    on the table, from before until after it has committed: where nobody does, everything up to the newest id is
    settled. Else those who do are kept by name, and the mark is settled when all of them have let go.
    """
    newest: int = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0  # before the locks are looked at, not after
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'"
            " AND granted AND relation = 'moderation_event'::regclass AND pid IS DISTINCT FROM pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        holders = sorted(row[0] for row in cursor.fetchall())
    settled = head.bound
    if not holders:
        settled, head.mark, head.holders = newest, 0, []
    elif not set(head.holders) & set(holders):
        settled, head.mark, head.holders = max(settled, head.mark), newest, holders
    return settled


def _stamp() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE moderation_audithead SET at = statement_timestamp()")


# --- the head, kept elsewhere ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A head as somebody keeps it outside this database."""

    entries: int
    head: str
    at: str

    @classmethod
    def parse(cls, text: str) -> Kept:
        """Raises Unacceptable for what `manage.py audit_head` has not printed."""
        try:
            said = json.loads(text)
            kept = cls(said["entries"], said["head"], str(said.get("at", "")))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unacceptable("It holds no head as `manage.py audit_head` prints it.") from error
        if type(kept.entries) is not int or kept.entries < 0 or not isinstance(kept.head, str) or len(kept.head) != 64:
            raise Unacceptable("It holds no head as `manage.py audit_head` prints it.")
        return kept


def head() -> Kept:
    """The chain's head as it stands."""
    row = AuditHead.objects.first()
    if row is None:
        return Kept(0, GENESIS, "")
    return Kept(row.entries, row.hash, moment(row.at))


# --- verifying ---------------------------------------------------------------------------------------------------


def verify(kept: Kept | None = None) -> tuple[int, Broken | None]:
    """Walk the whole chain, then every case. Answers how many entries were checked, and the first bad one if there is
    one, or else the first that is missing.

    `kept`: a head from outside; the chain must still hold it. Streams: a fixed number of queries for every thousand.
    """
    row = AuditHead.objects.first()  # before the walk: what is sealed meanwhile is beyond it, and not missing
    checked, broken, other_key = _walk(kept)
    broken = (
        broken
        or _end(row or AuditHead.objects.first(), checked, kept)
        or _overlooked()
        or rows.check()
        or other_key
        or _other_head()
    )
    return checked, broken


def _walk(kept: Kept | None) -> tuple[int, Broken | None, Broken | None]:
    """How many links were checked, the first that does not hold, and the first that another key has sealed."""
    key, checked, previous, keyed = Key.present(), 0, GENESIS, False
    other: Broken | None = None
    if kept is not None and kept.entries == 0 and kept.head != GENESIS:
        return 0, Broken(0, None, "the head that was kept is not one of this chain"), None
    for sealed, event, case_is_there in _links():
        position, checked = checked + 1, checked + 1
        if sealed.position != position:
            return checked, Broken(position, None, "it is missing"), other
        wrong = ""
        if event is None:
            wrong = "its event is gone"
        elif (previous := link(previous, event)) != sealed.hash:
            wrong = "its content is not what was sealed"
        elif event.form == 1 and (event.digests is not None or event.door or event.user_id is not None):
            # No bytes of the first form hold these: what stands there was put there later, and by nobody of ours.
            wrong = "its content is not what was sealed"
        elif sealed.mac is None:
            wrong = "its seal has no key" if keyed or event.form > 1 else ""
        elif sealed.key_id != key.id:
            if other is None:
                why = f"it was sealed with another key ({sealed.key_id}; this installation's is {key.id})"
                other = Broken(position, event.pk, why)
        elif not compare_digest(sealed.mac, key.seal(position, sealed.hash)):
            wrong = "its seal was not made with the key it names"
        if not wrong and kept is not None and position == kept.entries and sealed.hash != kept.head:
            wrong = f"up to here the chain is not the one whose head was kept on {kept.at or 'an unknown day'}"
        if not wrong and not case_is_there:
            wrong = "the case it tells of is gone"
        if wrong:
            return checked, Broken(position, sealed.event_id, wrong), other
        keyed = keyed or sealed.mac is not None
    return checked, None, other


def _links() -> Iterator[tuple[Seal, Event | None, bool]]:
    """Every seal in order with its event, and whether the event's case is there. Three queries for every thousand."""
    position = 0
    while seals := list(Seal.objects.filter(position__gt=position).order_by("position")[:BATCH]):
        position = seals[-1].position
        events = Event.objects.in_bulk([one.event_id for one in seals])
        wanted = {event.case_id for event in events.values() if event.case_id is not None}
        cases = {None, *Case.objects.filter(pk__in=wanted).values_list("pk", flat=True)}
        for one in seals:
            event = events.get(one.event_id)
            yield one, event, event is None or event.case_id in cases


def _end(row: AuditHead | None, checked: int, kept: Kept | None) -> Broken | None:
    """What the head says of the end of the chain, and the one that was kept."""
    key, last = Key.present(), Seal.objects.filter(position=checked).first()
    if row is None:
        if last is not None and last.mac is not None:
            return Broken(0, None, "the head of the chain is gone")
    elif row.entries > checked:
        return Broken(checked + 1, None, f"it is missing: the chain has had {row.entries} entries")
    elif row.entries == checked and (last.hash if last else GENESIS) != row.hash:
        return Broken(checked, None, "it is not the one the head of the chain names")
    elif row.key_id == key.id and not compare_digest(row.mac, key.head(row.entries, row.hash)):
        return Broken(0, None, "the head of the chain was not made with the key it names")
    elif row.entries < checked and _is_older(row):
        return Broken(row.entries + 1, None, f"the head of the chain counts only {row.entries}")
    if kept is not None and kept.entries > checked:
        return Broken(checked + 1, None, f"it is missing: {kept.entries} entries stood here on {kept.at}")
    return None


def _other_head() -> Broken | None:
    """A head of another key proves nothing: whoever cuts the end off could name any."""
    row, key = AuditHead.objects.first(), Key.present()
    if row is None or row.key_id == key.id:
        return None
    why = f"the head of the chain was made with another key ({row.key_id}; this installation's is {key.id})"
    return Broken(0, None, why)


def _is_older(row: AuditHead) -> bool:
    """Still, now that the chain was walked? A sealing job may have moved it between two looks."""
    now = AuditHead.objects.first()
    return now is not None and now.entries == row.entries


def _overlooked() -> Broken | None:
    """An event that stands behind the chain and was never sealed: nobody writes there."""
    row = AuditHead.objects.first()
    newest: int = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    start, last = 0, min(row.bound, newest) if row is not None else 0
    while start < last:
        end = min(start + LOOKED_THROUGH_AT_ONCE, last)
        lost = Event.objects.filter(pk__gt=start, pk__lte=end, seal=None).order_by("pk").first()
        if lost is not None:
            return Broken(0, lost.pk, "it stands behind the chain and was never sealed")
        start = end
    return None
