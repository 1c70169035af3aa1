"""Who holds what: plans the orders of a decision and their reversals, and ends a case when they are done.

A live decision holds (subject, action). What a decision no longer wants is reversed only if no other live decision
holds it; effects cross cases, so all planning and every sequence number happen under the subjects' locks. (Under case
locks alone, a rollback beside another decision on the same author lost a sanction in 100 of 100 tries.)
Every function here runs in its caller's transaction, which holds the case's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max, Q
from django.utils import timezone

from moderation.models import Case, Decision, Order, Subject
from moderation.models.actions import ACTIONS, SubjectKind
from moderation.models.facts import tell
from moderation.services.orders.announcements import announce_orders
from moderation.services.post.wakeup import wake_relay
from moderation.services.record.history import SYSTEM, note
from moderation.states import IN_LINE, Direction, OrderStatus


def plan(case: Case, decision: Decision) -> None:
    """Write the apply orders of `decision` and release what earlier decisions of this case still held.

    Repeatable: a decision whose orders stand plans nothing more.
    """
    if decision.orders.exists():
        return
    earlier = _unreleased(case)
    wanted = [(ACTIONS[item["action"]], dict(item.get("params", {}))) for item in decision.actions]
    kinds = {action.target for action, _ in wanted} | {SubjectKind(order.subject.kind) for order in earlier}
    line = _Line(case, kinds)
    now = timezone.now()
    applies: list[Order] = []
    for action, params in wanted:
        expires = now + timedelta(days=params["days"]) if action.takes_days else None
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
    line.release(earlier, successors=applies)
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
    elif line.new:
        _note_reversals(case, earlier, line)


def plan_reversals(case: Case) -> None:
    """Release everything this case still holds, last first. Repeatable: what is released is not released again."""
    held = _unreleased(case)
    if not held:
        return
    line = _Line(case, {SubjectKind(order.subject.kind) for order in held})
    line.release(held, successors=[])
    line.write()
    _note_reversals(case, held, line)


def _note_reversals(case: Case, held: Sequence[Order], line: _Line) -> None:
    note(
        case,
        "order.reversals_planned",
        by=SYSTEM,
        tells=line.told(),
        orders=[{"id": str(order.id), "action": order.action, "status": str(order.status)} for order in held],
    )


class _Line:
    """The case's line and the lines of its subjects, locked; collects orders and writes them at once."""

    def __init__(self, case: Case, kinds: set[SubjectKind]) -> None:
        self.case = case
        self.subjects = _locked_subjects(case, kinds)
        self.place: int = case.orders.aggregate(last=Max("place"))["last"] or 0
        self.new: list[Order] = []
        self.changed: list[Order] = []

    def append(self, orders: Sequence[Order]) -> None:
        """Give each order the next place of the case and the next sequence number of its subject."""
        for order in orders:
            self.place += 1
            subject = self.subjects[SubjectKind(order.subject.kind)]
            subject.last_sequence += 1
            order.place, order.sequence = self.place, subject.last_sequence
            self.new.append(order)

    def write(self) -> None:
        Order.objects.bulk_update(self.changed, ["status", "released_at"])
        Order.objects.bulk_create(self.new)
        for order in self.new:
            if order.decision.case_id == self.case.pk:
                order.decision.case = self.case  # spares a query for each
        announce_orders(self.new)
        Subject.objects.bulk_update(self.subjects.values(), ["last_sequence"])
        wake_relay()

    def told(self) -> dict[str, str]:
        """The digests of the orders that were written: no order stands without an event that tells of it."""
        return {key: said for order in self.new for key, said in tell("order", order).items()}

    def release(self, held: Sequence[Order], *, successors: Sequence[Order]) -> None:
        """Let go of `held`, last first. `successors`: applies of the decision that replaces it, which hold too."""
        now = timezone.now()
        others = list(
            Order.objects.filter(
                subject__in=self.subjects.values(), direction=Direction.APPLY, released_at=None, resends=None
            )
            .exclude(pk__in=[order.pk for order in held])
            .exclude(status__in=[OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.EXPIRED])
            .select_related("decision")
        )
        holders = [*others, *successors]
        for order in sorted(held, key=lambda order: order.place, reverse=True):
            order.released_at = now
            self.changed.append(order)
            resent = self._cancel_resends(order)
            same = [
                holder
                for holder in holders
                if (holder.subject_id, holder.action) == (order.subject_id, order.action)
                and (holder.expires_at is None or holder.expires_at > now)
            ]
            self._release_one(order, same, now, resent)

    def _release_one(self, order: Order, holders: list[Order], now: datetime, resent: list[Order]) -> None:
        if order.status in {OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.EXPIRED}:
            return
        if order.expires_at is not None and order.expires_at <= now:
            order.status = OrderStatus.EXPIRED
        elif order.first_tried_at is None and not resent:
            order.status = OrderStatus.CANCELLED
            applied = None if holders else self._really_applied(order)
            if applied is not None:
                # Never sent itself, but the last one to want an effect that an earlier decision left to it.
                self._reverse(order, names=applied, waits=[])
        elif not ACTIONS[order.action].reversed_by:
            order.status = OrderStatus.IRREVERSIBLE
        elif holders:
            order.status = OrderStatus.RETAINED
            longest = max(holders, key=lambda holder: (holder.expires_at is None, holder.expires_at or now))
            shorter = order.expires_at and longest.expires_at and longest.expires_at < order.expires_at
            if shorter and longest.first_tried_at is not None:
                # The longer one was tried, so it may have been applied, even if nobody has said so.
                self._send_again(longest, not_before=order.lease_until or now)
        else:
            # A time-out may have been applied, so whatever was tried and not refused is reversed.
            names = order if order.result == OrderStatus.APPLIED else self._really_applied(order) or order
            self._reverse(order, names=names, waits=[order, *resent])
            order.status = OrderStatus.REVERSING

    def _reverse(self, order: Order, *, names: Order, waits: list[Order]) -> None:
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
            due_at=max(leases, default=timezone.now()),
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

    def _send_again(self, holder: Order, *, not_before: datetime) -> None:
        """Of two suspensions the longest counted; it goes, so the client is told the other one's end again."""
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
                    released_at=timezone.now(),  # it is the other order that holds, not this copy of it
                    priority=holder.priority,
                    due_at=not_before,
                )
            ]
        )

    def _cancel_resends(self, order: Order) -> list[Order]:
        """Take copies of `order` that still wait out of the line; answer those the client may have seen."""
        copies = list(Order.objects.filter(resends=order, status__in=IN_LINE))
        for copy in copies:
            copy.status = OrderStatus.CANCELLED
            self.changed.append(copy)
        return [copy for copy in copies if copy.first_tried_at is not None]


def _locked_subjects(case: Case, kinds: set[SubjectKind]) -> dict[SubjectKind, Subject]:
    ids = {SubjectKind.CONTENT: case.content_id, SubjectKind.AUTHOR: case.author_id}
    if not kinds:
        return {}
    Subject.objects.bulk_create(
        [Subject(client_id=case.client_id, kind=kind, external_id=ids[kind]) for kind in sorted(kinds)],
        ignore_conflicts=True,
    )
    wanted = Q()
    for kind in kinds:
        wanted |= Q(kind=kind, external_id=ids[kind])
    rows = (
        Subject.objects.select_for_update(no_key=True)
        .filter(wanted, client_id=case.client_id)
        .order_by("client_id", "kind", "external_id")
    )
    return {SubjectKind(row.kind): row for row in rows}


def _unreleased(case: Case) -> list[Order]:
    # Locked: a delivery that is just being confirmed waits for the case's row, but its lease is read here.
    return list(
        case.orders.select_related("subject", "decision")
        .select_for_update(of=("self",), no_key=True)
        .filter(direction=Direction.APPLY, released_at=None)
        .order_by("place")
    )
