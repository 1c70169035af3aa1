"""Orders, their tries and legs that keep failing, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from moderation.console.words.rulings import action
from moderation.console.words.times import span
from moderation.models import Attempt, Order, Run
from moderation.selectors.case_page import CasePage
from moderation.states import IN_LINE, Direction, OrderStatus, RunKind


@dataclass(frozen=True)
class Line:
    """One line of a list: what, how it stands, and what more there is to say. `tone`: good, bad, waiting or quiet."""

    what: str
    status: str
    tone: str
    more: tuple[str, ...] = ()


_TONES = {
    OrderStatus.APPLIED: "good",
    OrderStatus.ALREADY: "good",
    OrderStatus.REVERSED: "good",
    OrderStatus.REFUSED: "bad",
    OrderStatus.FAILED: "bad",
    OrderStatus.IRREVERSIBLE: "bad",
    OrderStatus.PLANNED: "waiting",
    OrderStatus.DELIVERING: "waiting",
    OrderStatus.REVERSING: "waiting",
}


def order(row: Order, page: CasePage, *, beside: bool = False) -> Line:
    """An order as a line: what it asks, how it stands, and why it does not go on if it does not. `beside`: it stands
    below the action it takes back, which then need not be named."""
    what = action(row.action, row.params)
    if row.direction == Direction.REVERSE and row.undoes is not None and not beside:
        what = _("%(action)s (takes back: %(undone)s)") % {"action": what, "undone": action(row.undoes.action)}
    more = [text for say in (_waiting, _attempts, _trouble, _detail) if (text := say(row, page))]
    tone = "bad" if row.status in IN_LINE and row.last_error else _TONES.get(OrderStatus(row.status), "quiet")
    # A failing order is `planned` again until its next try: that word would hide what is going on.
    failing = row.status == OrderStatus.PLANNED and row.attempts and row.last_error
    return Line(what, _("Delivery keeps failing") if failing else str(OrderStatus(row.status).label), tone, tuple(more))


def _waiting(row: Order, page: CasePage) -> str:
    if row.status not in IN_LINE:
        return ""
    if row.pk in page.behind:
        return _("Waits for the order before it.")
    if row.pk in page.stuck:
        return _("Waits for another case's order about the same subject.")
    if not page.case.client.is_active:
        return _("Its app was deactivated: it is about to be given up.")
    if not page.case.client.webhook_url:
        if row.listed_at is None:
            return _("Waits for the client, which has not fetched it yet.")
        return _("The client has fetched it and not confirmed it yet.")
    if row.attempts and row.status == OrderStatus.PLANNED:
        wait = (row.due_at - page.now).total_seconds()
        return _("Tried again in %(span)s.") % {"span": span(wait)} if wait > 0 else _("Tried again now.")
    return ""


def _attempts(row: Order, page: CasePage) -> str:
    worth = row.attempts > 1 or (row.attempts and row.last_error)
    return ngettext("Tried %(n)d time.", "Tried %(n)d times.", row.attempts) % {"n": row.attempts} if worth else ""


def _trouble(row: Order, page: CasePage) -> str:
    return _("Last answer: %(error)s") % {"error": row.last_error} if row.last_error else ""


def _detail(row: Order, page: CasePage) -> str:
    return _("The client says: %(detail)s") % {"detail": row.detail} if row.detail else ""


def attempt(row: Attempt) -> Line:
    """One try to deliver an order: what came back, and how long it took."""
    status = _("HTTP %(status)d") % {"status": row.http_status} if row.http_status else ""
    took = _("%(n)d ms") % {"n": row.milliseconds}
    if not row.result:
        return Line(status or row.error, took, "bad")
    said = str(OrderStatus(row.result).label) if row.result in OrderStatus.values else row.result
    return Line(f"{status} · {said}" if status else said, took, "bad" if row.result == OrderStatus.REFUSED else "good")


def struggle(run: Run, now: datetime) -> str:
    """A leg of the agent's work that keeps failing."""
    wait = (run.due_at - now).total_seconds()
    return _("%(leg)s has failed %(times)s and is tried again %(when)s. Last error: %(error)s") % {
        "leg": RunKind(run.kind).label,
        "times": ngettext("%(n)d time", "%(n)d times", run.attempts) % {"n": run.attempts},
        "when": _("in %(span)s") % {"span": span(wait)} if wait > 0 else _("now"),
        "error": run.last_error,
    }
