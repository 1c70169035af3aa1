"""The lines of a case's history, with the words and names of the rows they tell of. Events hold ids only, so what was
erased in a row is erased in the history too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Model, QuerySet

from moderation.models import Appeal, Attempt, Case, Decision, Event, Order, Report, Run, Withdrawal
from moderation.models.order import GIVEN_UP
from moderation.models.salted import Salted
from moderation.states import Door

ERASED = "erased"
"""What is said in the place of words that were erased."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it is told: `actor` is a name, `data` has words. `called`: somebody bears that name, and may bear
    one of the house's own (agent, guardian)."""

    id: int
    type: str
    actor: str
    at: datetime
    data: dict[str, Any]
    called: bool = False


_Rows = dict[type[Model], dict[str, Model]]

_NAMED: dict[str, type[Model]] = {
    "report_id": Report,
    "decision_id": Decision,
    "answer_id": Decision,
    "run_id": Run,
    "withdrawal_id": Withdrawal,
    "order_id": Order,
    "appeal_id": Appeal,
    "attempt_id": Attempt,
}
"""The ids an event's data may hold, and whose they are."""


def events_of(case: Case) -> QuerySet[Any]:
    """The events of a case, and what names their actors as `user_name` and `client_name`."""
    return case.events.annotate(user_name=F("user__username"), client_name=F("client__name")).defer("digests")


def timeline(events: Iterable[Any], *, known: Iterable[Model] = ()) -> list[Line]:
    """The lines, in the order of `events`. `known`: rows that are at hand; each other kind of row takes one query."""
    events = list(events)
    rows = _rows(events, known)
    return [
        Line(event.pk, event.type, event.actor, event.at, event.data) if event.form == 1 else _line(event, rows)
        for event in events
    ]


def _rows(events: Sequence[Event], known: Iterable[Model]) -> _Rows:
    rows: _Rows = defaultdict(dict)
    for row in known:
        rows[type(row)][str(row.pk)] = row
    wanted: dict[type[Model], set[Any]] = defaultdict(set)
    for event in events:
        if event.form > 1:
            for name in _NAMED.keys() & event.data.keys():
                if str(event.data[name]) not in rows[_NAMED[name]]:
                    wanted[_NAMED[name]].add(event.data[name])
    for model, ids in wanted.items():
        for row in model._default_manager.filter(pk__in=ids):
            rows[model][str(row.pk)] = row
    return rows


def _line(event: Any, rows: _Rows) -> Line:
    def of(name: str, column: str) -> str:
        """A column of the row that `data[name]` names; empty if it names none."""
        if name not in event.data:
            return ""
        row = rows[_NAMED[name]].get(str(event.data[name]))
        if row is None or (isinstance(row, Salted) and row.is_erased):
            return ERASED
        return str(getattr(row, column))

    data = dict(event.data)
    for name in _INSIDE & data.keys():
        del data[name]
    data |= {key: say(of, event.data) for key, say in _WORDS.get(event.type, {}).items()}
    actor = _actor(event, of)
    called = actor != ERASED and (event.user_name is not None or event.door == Door.API)
    return Line(event.pk, event.type, actor, event.at, data, called)


_Of = Callable[[str, str], str]


def _actor(event: Any, of: _Of) -> str:
    """Whom a row names, if there is one; else the account, the client, or nobody in person."""
    if event.type == "case.decided":
        return of("decision_id", "decided_by")
    if "answer_id" in event.data:
        return of("answer_id", "decided_by")
    if event.type == "case.rollback_requested":
        return of("run_id", "requested_by")
    if event.type == "appeal.received":
        appellant = of("appeal_id", "appellant_id")
        return ERASED if appellant == ERASED else f"{of('appeal_id', 'side')}:{appellant}"
    if event.user_name is not None:
        return event.user_name
    if event.door == Door.API and event.client_name is not None:
        return f"client:{event.client_name}"
    return event.actor


def _error(of: _Of, data: dict[str, Any]) -> str:
    return GIVEN_UP.get(data.get("code", "")) or of("attempt_id", "error")


_INSIDE = frozenset({"report_id", "answer_id", "run_id", "withdrawal_id", "attempt_id", "code"})
"""What an event's data holds for us only."""

_DETAIL = {"detail": lambda of, data: of("order_id", "detail")}
_WORDS: dict[str, dict[str, Callable[[_Of, dict[str, Any]], str]]] = {
    "case.reported": {"reporter_id": lambda of, data: of("report_id", "reporter_id")},
    "case.review_requested": {"failure": lambda of, data: of("run_id", "failure")},
    "case.cleared": {"failure": lambda of, data: of("run_id", "failure")},
    "case.rollback_requested": {"reason": lambda of, data: of("run_id", "reason")},
    "case.withdrawn": {"reason": lambda of, data: of("withdrawal_id", "reason")},
    "agent.thread_rebuilt": {"why": lambda of, data: of("run_id", "rebuilt")},
    "order.applied": _DETAIL,
    "order.already": _DETAIL,
    "order.refused": _DETAIL,
    "order.delayed": {"error": _error},
    "order.failed": {"error": _error},
}
"""By type: the words its data is told with, and where they stand."""
