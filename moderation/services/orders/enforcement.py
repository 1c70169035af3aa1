"""Who holds what: plans the orders of a decision and their reversals, and ends a case when they are done.

A live decision holds (subject, action). What a decision no longer wants is reversed only if no other live decision
holds it; effects cross cases, so all planning and every sequence number happen under the subjects' locks. (Under case
locks alone, a rollback beside another decision on the same author lost a sanction in 100 of 100 tries.)
Every function here runs in its caller's transaction, which holds the case's row.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence, Set
from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from moderation.models import Case, Decision, Order, Subject
from moderation.models.actions import ACTIONS, SubjectKind
from moderation.models.facts import tell, tell_standing
from moderation.services.orders.announcements import announce_orders
from moderation.services.post.wakeup import wake_relay
from moderation.services.record.history import SYSTEM, note, note_orders
from moderation.states import HOLDS_NOTHING, IN_LINE, Direction, OrderStatus


def plan(case: Case, decision: Decision) -> None:
    """Write the apply orders of `decision` and release what earlier decisions of this case still held.

    Repeatable: a decision whose orders stand plans nothing more.
    """
    if decision.orders.exists():
        return
    wanted = [(ACTIONS[item["action"]], dict(item.get("params", {}))) for item in decision.actions]
    line = _Line(case, {action.target for action, _ in wanted}, with_held=True)
    applies: list[Order] = []
    for action, params in wanted:
        expires = line.now + timedelta(days=params["days"]) if action.takes_days else None
        if expires is not None:
            params["expires_at"] = expires.isoformat()
        applies.append(
            Order(
                case=case,
                client_id=case.client_id,
                decision=decision,
                subject=line.subjects[action.target],
                direction=Direction.APPLY,
                action=action.name,
                params=params,
                expires_at=expires,
                priority=case.priority,
            )
        )
    line.release(successors=applies)
    line.append(applies)
    line.write()
    if applies:
        note(
            case,
            "order.planned",
            by=SYSTEM,
            tells=line.told(),
            orders=[{"id": str(order.id), "action": order.action} for order in applies],
        )
    elif line.held:
        _note_reversals(case, line)


def plan_reversals(case: Case) -> None:
    """Release everything this case still holds, last first. Repeatable: what is released is not released again."""
    line = _Line(case, with_held=True)
    if not line.held:
        return
    line.release(successors=[])
    line.write()
    _note_reversals(case, line)


def _note_reversals(case: Case, line: _Line) -> None:
    note(
        case,
        "order.reversals_planned",
        by=SYSTEM,
        tells=line.told(),
        orders=[{"id": str(order.id), "action": order.action, "status": str(order.status)} for order in line.held],
    )


def make_good(case: Case, order: Order) -> None:
    """`order` has left its line, and now its try has landed, or may have: have the client told again what counts.

    Only where something later about the same effect was tried before: else that comes after this one and puts it
    right. The rows of `case` and of the order's subject are locked. Repeatable: what is told already waits in line.
    """
    if not ACTIONS[order.effect].reversed_by:
        return
    about = Order.objects.about(order.subject_id, order.effect)
    later = Q(sequence__gt=order.sequence)
    if order.direction == Direction.APPLY:
        later |= Q(sequence=order.sequence, direction=Direction.REVERSE)  # it took this one's place
    if not about.filter(later, first_tried_at__isnull=False).exists():
        return
    line = _Line(case, {SubjectKind(order.subject.kind)})
    holders = list(about.holding().select_related("decision", "subject"))
    if holders:
        counts = max(holders, key=lambda holder: (*_length(holder), holder.pk == order.pk))
        told = counts.pk == order.pk or counts.first_tried_at is None
        if not told and not about.filter(resends=counts, status__in=IN_LINE, first_tried_at=None).exists():
            line.send_again(counts, not_before=line.now)
    elif order.direction == Direction.APPLY and not _has_run_out(order, line.now):
        waiting = list(
            about.filter(direction=Direction.REVERSE, status__in=IN_LINE)
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        if all(reversal.first_tried_at is not None for reversal in waiting):
            # Those the client may have obeyed: under the same id it would do nothing again. (One that was not tried
            # comes after this, and is enough.)
            known = [reversal for reversal in waiting if reversal.undoes_id == order.pk]
            for reversal in known:
                reversal.status = OrderStatus.CANCELLED
            line.reverse(order, names=order, waits=[order, *waiting])
            order.status, order.reversed_at = OrderStatus.REVERSING, None
            line.changed += [order, *known]
    if line.new:
        line.write()
        note(case, "order.landed_late", by=SYSTEM, tells=line.told(), order_id=str(order.pk), action=order.action)


def reverse_anew(case: Case, reversal: Order) -> None:
    """`reversal` was answered as overtaken, though nothing later about its effect was ever sent: the client has what
    `effects/` said of the apply that it takes the place of, and keeps the subject's newest number beside it, which is
    above theirs. So the effect is taken back under a number of its own, once."""
    undone = reversal.undoes
    if undone is None or reversal.sequence != undone.sequence:
        return  # what has its own number is overtaken only by what was read after it was planned, and said so
    about = Order.objects.about(reversal.subject_id, undone.action)
    if about.filter(sequence__gt=reversal.sequence).exists() or about.holding().exists():
        return
    line = _Line(case, {SubjectKind(reversal.subject.kind)})
    line.reverse(undone, names=reversal.names or undone, waits=[])
    undone.status, undone.reversed_at = OrderStatus.REVERSING, None
    line.changed.append(undone)
    line.write()
    note(case, "order.landed_late", by=SYSTEM, tells=line.told(), order_id=str(reversal.pk), action=reversal.action)


class _Line:
    """The case's line and the lines of its subjects, locked; collects orders and writes them at once.

    `held`: what the case's decisions still hold, where it was asked for. `now`: the database's clock.
    """

    now: datetime

    def __init__(self, case: Case, kinds: Set[SubjectKind] = frozenset(), *, with_held: bool = False) -> None:
        self.case = case
        # Read before its subjects are locked, and again after: subjects come before orders. Only verbs of this case,
        # whose row is locked, change what it holds; a worker that takes an order, and a client that fetches one, do not
        # wait for the subjects.
        held = _unreleased(case) if with_held else Order.objects.none()
        found = list(held.values_list("subject__kind", flat=True)) if with_held else []
        self.subjects = self._lock({*kinds, *map(SubjectKind, found)})
        self.held = list(held.select_for_update(of=("self",), no_key=True)) if found else []
        self.place: int = case.orders.aggregate(last=Max("place"))["last"] or 0
        self.new: list[Order] = []
        self.changed: list[Order] = []

    def _lock(self, kinds: Set[SubjectKind]) -> dict[SubjectKind, Subject]:
        if not kinds:
            return {}
        ids = {SubjectKind.CONTENT: self.case.content_id, SubjectKind.AUTHOR: self.case.author_id}
        Subject.objects.bulk_create(
            [Subject(client_id=self.case.client_id, kind=kind, external_id=ids[kind]) for kind in sorted(kinds)],
            ignore_conflicts=True,
        )
        wanted = Q()
        for kind in kinds:
            wanted |= Q(kind=kind, external_id=ids[kind])
        rows = (
            Subject.objects.select_for_update(no_key=True)
            .annotate(now=Now())
            .filter(wanted, client_id=self.case.client_id)
            .order_by(*Subject.IN_ORDER)
        )
        locked: dict[SubjectKind, Subject] = {}
        for row in rows:
            self.now = row.now
            locked[SubjectKind(row.kind)] = row
        return locked

    def append(self, orders: Sequence[Order]) -> None:
        """Give each order the next place of the case and the next sequence number of its subject."""
        for order in orders:
            self.place += 1
            subject = self.subjects[SubjectKind(order.subject.kind)]
            subject.last_sequence += 1
            order.place, order.sequence = self.place, subject.last_sequence
            self.new.append(order)

    def write(self) -> None:
        Order.objects.bulk_update(self.changed, ["status", "released_at", "reversed_at"])
        Order.objects.bulk_create(self.new)
        for order in self.new:
            if order.decision.case_id == self.case.pk:
                order.decision.case = self.case  # spares a query for each
        announce_orders(self.new)
        Subject.objects.bulk_update(self.subjects.values(), ["last_sequence"])
        note_orders("order.cancelled", [copy for copy in self.changed if copy.case_id != self.case.pk])
        wake_relay()

    def told(self) -> dict[str, str]:
        """The digests of the case's orders that were written: no order stands, and none ends, without an event that
        tells of it."""
        made = {key: said for order in self.new for key, said in tell("order", order).items()}
        return made | tell_standing(*self.new, *(order for order in self.changed if order.case_id == self.case.pk))

    def release(self, *, successors: Sequence[Order]) -> None:
        """Let go of what is held, last first. `successors`: applies of the decision that replaces it: they hold too."""
        if not self.held:
            return
        others = list(
            Order.objects.holding()
            .filter(subject__in=self.subjects.values())
            .exclude(pk__in=[order.pk for order in self.held])
            .select_related("decision")
        )
        holders = [*others, *successors]
        copies = self._cancel_copies()
        for order in reversed(self.held):
            order.released_at = self.now
            self.changed.append(order)
            same = [
                holder
                for holder in holders
                if (holder.subject_id, holder.action) == (order.subject_id, order.action)
                and not _has_run_out(holder, self.now)
            ]
            self._release_one(order, same, copies.get(order.pk, []))

    def _cancel_copies(self) -> dict[uuid.UUID | None, list[Order]]:
        """Take waiting copies of what is held out of the line; answer, by the order that each repeats, those that the
        client may have seen. They stand in other cases' lines, whose rows must not be locked here: so a worker may be
        taking one right now, and only the locked row tells whether it is in the air."""
        copies = list(
            Order.objects.filter(resends__in=self.held, status__in=IN_LINE)
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        seen: dict[uuid.UUID | None, list[Order]] = {}
        for copy in copies:
            copy.status = OrderStatus.CANCELLED
            self.changed.append(copy)
            if copy.first_tried_at is not None:
                seen.setdefault(copy.resends_id, []).append(copy)
        return seen

    def _release_one(self, order: Order, holders: list[Order], resent: list[Order]) -> None:
        if order.status in HOLDS_NOTHING:
            return
        if _has_run_out(order, self.now):
            order.status = OrderStatus.EXPIRED
        elif order.first_tried_at is None and not resent:
            order.status = OrderStatus.CANCELLED
            applied = None if holders else self._really_applied(order)
            if applied is not None:
                # Never sent itself, but the last one to want an effect that an earlier decision left to it.
                self.reverse(order, names=applied, waits=[])
        elif not ACTIONS[order.action].reversed_by:
            order.status = OrderStatus.IRREVERSIBLE
        elif holders:
            order.status = OrderStatus.RETAINED
            longest = max(holders, key=_length)
            if _length(longest) < _length(order) and longest.first_tried_at is not None:
                # The longer one was tried, so it may have been applied, even if nobody has said so.
                self.send_again(longest, not_before=order.lease_until or self.now)
        else:
            # A time-out may have been applied, so whatever was tried and not refused is reversed.
            names = order if order.result == OrderStatus.APPLIED else self._really_applied(order) or order
            self.reverse(order, names=names, waits=[order, *resent])
            order.status = OrderStatus.REVERSING

    def reverse(self, order: Order, *, names: Order, waits: Sequence[Order]) -> None:
        leases = [one.lease_until for one in waits if one.lease_until is not None]
        reversal = Order(
            case=self.case,
            client_id=self.case.client_id,
            decision=order.decision,
            subject=self.subjects[SubjectKind(order.subject.kind)],
            direction=Direction.REVERSE,
            action=ACTIONS[order.action].reversed_by,
            undoes=order,
            names=names,
            priority=self.case.priority,
            # A try that is in the air ends first, lest the apply arrive after its reversal.
            due_at=max([self.now, *leases]),
        )
        if order.status in IN_LINE:
            # It takes the place of the apply it cancels, so that nothing behind it blocks for ever.
            reversal.place, reversal.sequence = order.place, order.sequence
            self.new.append(reversal)
        else:
            self.append([reversal])

    def _really_applied(self, order: Order) -> Order | None:
        """The order the client knows this effect by, should an earlier decision have left it to this one."""
        return (
            Order.objects.filter(
                subject_id=order.subject_id,
                action=order.action,
                direction=Direction.APPLY,
                status=OrderStatus.RETAINED,
                result=OrderStatus.APPLIED,
                sequence__lt=order.sequence,
            )
            .order_by("sequence")
            .first()
        )

    def send_again(self, holder: Order, *, not_before: datetime) -> None:
        """What the client did last is not what counts (of two suspensions the longest): so tell it that one again."""
        self.append(
            [
                Order(
                    case=self.case,
                    client_id=holder.client_id,
                    decision=holder.decision,
                    subject=self.subjects[SubjectKind(holder.subject.kind)],
                    direction=Direction.APPLY,
                    action=holder.action,
                    params=holder.params,
                    expires_at=holder.expires_at,
                    resends=holder,
                    released_at=self.now,  # it is the other order that holds, not this copy of it
                    priority=holder.priority,
                    due_at=not_before,
                )
            ]
        )


def _unreleased(case: Case) -> QuerySet[Order]:
    return (
        case.orders.select_related("subject", "decision")
        .filter(direction=Direction.APPLY, released_at=None)
        .order_by("place")
    )


def _has_run_out(order: Order, now: datetime) -> bool:
    return order.expires_at is not None and order.expires_at <= now


def _length(order: Order) -> tuple[bool, datetime | None]:
    """Compares as longer what ends later; what never ends is longest."""
    return order.expires_at is None, order.expires_at
