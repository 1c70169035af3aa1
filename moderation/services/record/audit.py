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
NO_HEAD = (
    "the head of the chain is gone: `migrate` makes it once, and nothing of ours deletes it. Restore the database from"
    " a backup, and check that with a head that was kept elsewhere (`verify_audit --head FILE`)"
)

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
    refused = distrust(head, key)
    if head is None or refused:
        _complain(refused)
        return 0
    before, position, previous = key.head(head), head.entries, head.hash
    settled = _settle(head)
    events = list(Event.objects.filter(seal=None, pk__gt=head.bound).order_by("pk")[:BATCH])
    seals = []
    for event in events:
        position, previous = position + 1, link(previous, event)
        mac = key.seal(position, previous)
        seals.append(Seal(position=position, event=event, hash=previous, mac=mac, key_id=key.id))
    Seal.objects.bulk_create(seals)
    tallies.add(events)
    if head.key_id != key.id:
        head.taken_over = head.entries
    head.entries, head.hash = position, previous
    head.bound = max(head.bound, min(settled, events[-1].pk) if len(events) == BATCH else settled)
    if key.head(head) != before:
        head.mac, head.key_id = key.head(head), key.id
        head.save()
        _stamp()
    return len(events)


@cache
def _complain(refused: str) -> None:
    """Once in this process, not at every beat."""
    _log.error("nothing is sealed: %s", refused)


def distrust(head: AuditHead | None, key: Key) -> str:
    """Why the chain must not be carried on from here; empty if it may. A key may carry on from another one's head,
    which it cannot check: the head says so ever after."""
    if head is None:
        return NO_HEAD
    last = list(Seal.objects.filter(position__gte=head.entries).order_by("position")[:2])
    if [(one.position, one.hash) for one in last] != ([(head.entries, head.hash)] if head.entries else []):
        return "the last entry that the head of the chain counts is not there, or not the last"
    if head.key_id == key.id:
        good = compare_digest(head.mac, key.head(head))
        return "" if good else "the head of the chain was not made with this key"
    # Where that key has sealed nothing yet, there is nothing to carry on, and the key can still be put back.
    return "" if last and last[0].key_id == head.key_id else "the head of the chain was made with another key"


def _settle(head: AuditHead) -> int:
    """Up to which id every event is visible now, if it ever will be. No clock is asked: a clock can step back.

    Ids are given in the order of asking and become visible in the order of committing. Who asks for one holds this lock
    on the table, from before until after it has committed: where nobody does, everything up to the newest id is
    settled. Else those who do are kept by name, and the mark is settled when all of them have let go.

    The first time is also when the last process of the previous release has gone, and the first form ends.
    """
    newest: int = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0  # before the locks are looked at, not after
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'"
            " AND granted AND relation = 'moderation_event'::regclass AND pid IS DISTINCT FROM pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        holders = sorted(row[0] for row in cursor.fetchall())
    if head.first_form is None:
        head.first_form = newest
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
    """The chain's head as it stands. Raises Unacceptable where it is gone."""
    row = AuditHead.objects.first()
    if row is None:
        raise Unacceptable(f"{NO_HEAD[0].upper()}{NO_HEAD[1:]}.")
    return Kept(row.entries, row.hash, moment(row.at))


# --- verifying ---------------------------------------------------------------------------------------------------


def verify(kept: Kept | None = None) -> tuple[int, Broken | None]:
    """Walk the whole chain, then every case. Answers how many entries were checked, and the first bad one if there is
    one, or else the first that is missing.

    `kept`: a head from outside; the chain must still hold it. Streams: a fixed number of queries for every thousand.
    """
    row = AuditHead.objects.first()  # before the walk: what is sealed meanwhile is beyond it, and not missing
    if row is None:
        return 0, Broken(0, None, NO_HEAD)
    checked, broken, other_key = _walk(row, kept)
    broken = broken or _end(row, checked, kept) or _overlooked(row) or rows.check() or other_key or _other_head(row)
    return checked, broken


def _walk(row: AuditHead, kept: Kept | None) -> tuple[int, Broken | None, Broken | None]:
    """How many links were checked, the first that does not hold, and the first that another key has sealed. What `row`
    says is not checked here."""
    key, checked, previous = Key.present(), 0, GENESIS
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
        elif event.form == 1 and row.first_form is not None and event.pk > row.first_form:
            wrong = "it is of the first form, in which nothing was written any more"
        elif sealed.mac is None:
            wrong = "its seal has no key" if position > row.unkeyed else ""
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


def _end(row: AuditHead, checked: int, kept: Kept | None) -> Broken | None:
    """What the head says of the end of the chain, and the one that was kept."""
    key, last = Key.present(), Seal.objects.filter(position=checked).first()
    if row.entries > checked:
        return Broken(checked + 1, None, f"it is missing: the chain has had {row.entries} entries")
    if row.entries == checked and (last.hash if last else GENESIS) != row.hash:
        return Broken(checked, None, "it is not the one the head of the chain names")
    if row.key_id == key.id and not compare_digest(row.mac, key.head(row)):
        return Broken(0, None, "the head of the chain was not made with the key it names")
    if row.entries < checked and _is_older(row):
        return Broken(row.entries + 1, None, f"the head of the chain counts only {row.entries}")
    if kept is not None and kept.entries > checked:
        return Broken(checked + 1, None, f"it is missing: {kept.entries} entries stood here on {kept.at}")
    return None


def _other_head(row: AuditHead) -> Broken | None:
    """A head of another key proves nothing: whoever cuts the end off could name any. Nor does one that carries on what
    such a head has said."""
    key = Key.present()
    if row.key_id == key.id:
        if row.taken_over is None:
            return None
        return Broken(row.taken_over, None, "up to here another key vouches, and this installation's took over from it")
    why = f"the head of the chain was made with another key ({row.key_id}; this installation's is {key.id})"
    return Broken(0, None, why)


def _is_older(row: AuditHead) -> bool:
    """Still, now that the chain was walked? A sealing job may have moved it between two looks."""
    now = AuditHead.objects.first()
    return now is not None and now.entries == row.entries


def _overlooked(row: AuditHead) -> Broken | None:
    """An event that stands behind the chain and was never sealed: nobody writes there."""
    behind = Event.objects.filter(pk__lte=row.bound).order_by("pk")
    look = behind
    while ids := list(look.values_list("pk", flat=True)[:LOOKED_THROUGH_AT_ONCE]):
        lost = behind.filter(pk__gte=ids[0], pk__lte=ids[-1], seal=None).first()
        if lost is not None:
            return Broken(0, lost.pk, "it stands behind the chain and was never sealed")
        look = behind.filter(pk__gt=ids[-1])
    return None
