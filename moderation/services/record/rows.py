"""Are the rows what the history says of them, and does the history tell of every row? Checked case by case."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Model, prefetch_related_objects

from moderation.models import Appeal, Assessment, Case, Decision, Event, Order, Report, Run, Seal, Withdrawal
from moderation.models.facts import CHANGING, ERASED, FACTS, digest
from moderation.models.salted import Salted

CHUNK = 250
"""Cases looked at together, each with a text of up to 20,000 letters."""


@dataclass(frozen=True)
class Broken:
    """The first place where the history does not hold. `position`: its entry's in the chain, 0 where it has none;
    `event_id`: None where there is no such event."""

    position: int
    event_id: int | None
    why: str

    def __str__(self) -> str:
        where = f"Entry {self.position}" if self.position else "An entry" if self.event_id else ""
        if self.event_id:
            where += f" (event {self.event_id})"
        return f"{where}: {self.why}." if where else f"{self.why[0].upper()}{self.why[1:]}."


@dataclass
class _Story:
    """What the events of one case tell: the newest digest of each fact and its event, and what events of the first form
    tell without digests."""

    newest: dict[str, tuple[str, Event]] = field(default_factory=dict)
    told_before: set[str] = field(default_factory=set)
    bad: list[tuple[int, str]] = field(default_factory=list)
    """(event id, what is wrong), of those whose digests do not fit the row."""


def check() -> Broken | None:
    """The first bad entry, or else the first missing one. Eleven queries for every CHUNK of cases, each chunk seen at
    one moment: a verb that commits in between changes rows and history together."""
    last: uuid.UUID | None = None
    worst: tuple[int, str] | None = None
    missing: str | None = None
    while True:
        with _one_moment():
            cases = Case.objects.order_by("pk")
            chunk = list((cases.filter(pk__gt=last) if last else cases)[:CHUNK])
            if not chunk:
                break
            bad, lacking = _compare(chunk)
        last = chunk[-1].pk
        worst = min([*([worst] if worst else []), *bad], default=None)
        missing = missing or lacking
    if worst is not None:
        position = Seal.objects.filter(event_id=worst[0]).values_list("position", flat=True).first()
        return Broken(position or 0, *worst)
    return Broken(0, None, missing) if missing else None


@contextmanager
def _one_moment() -> Iterator[None]:
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _compare(cases: Sequence[Case]) -> tuple[list[tuple[int, str]], str | None]:
    """The entries that do not fit their rows, and the first row that has no entry."""
    stories = {case.pk: _Story() for case in cases}
    for event in Event.objects.filter(case_id__in=stories).order_by("pk"):
        if event.case_id is not None:
            _listen(stories[event.case_id], event)
    of_model: dict[type[Model], dict[str, Model]] = {}
    bad: list[tuple[int, str]] = []
    missing: str | None = None
    for model, rows in _rows(cases).items():
        of_model[model] = {str(row.pk): row for row in rows}
        for fact, known in FACTS.items():
            if known.model is not model:
                continue
            for row in rows:
                story = stories[row.pk if isinstance(row, Case) else row.case_id]  # type: ignore[attr-defined]
                said = story.newest.get(f"{fact}:{row.pk}")
                if said is None:
                    if missing is None and known.due(row) and not _was_told_before(story, fact, row):
                        missing = f"the {_name(fact)} {row.pk} has no entry in the history"
                elif said[1].type == ERASED and not (isinstance(row, Salted) and row.is_erased):
                    bad.append((said[1].pk, f"the {_name(fact)} {row.pk} it says was erased was not"))
                elif said[0] != digest(fact, row):
                    bad.append((said[1].pk, f"the {_name(fact)} {row.pk} it tells of is not what it was"))
    for story in stories.values():
        bad += story.bad
        for key, (_, event) in story.newest.items():
            fact, _colon, pk = key.partition(":")
            if pk not in of_model[FACTS[fact].model]:
                bad.append((event.pk, f"the {_name(fact)} {pk} it tells of is gone"))
    return bad, missing


def _rows(cases: Sequence[Case]) -> dict[type[Model], Sequence[Model]]:
    known = {case.pk: case for case in cases}
    found: dict[type[Model], Sequence[Model]] = {Case: cases}
    for model in (Report, Assessment, Decision, Order, Appeal, Run, Withdrawal):
        rows = model._default_manager.filter(case_id__in=known)
        found[model] = list(rows)
        for row in found[model]:
            row.case = known[row.case_id]  # type: ignore[attr-defined]
    prefetch_related_objects(found[Decision], "policies")
    prefetch_related_objects(found[Order], "subject")
    return found


def _listen(story: _Story, event: Event) -> None:
    if event.form == 1:
        story.told_before |= _told_in_the_first_form(event)
    for key, said in (event.digests or {}).items():
        name = key.partition(":")[0]
        fact, before = FACTS.get(name), story.newest.get(key)
        if fact is None or event.type not in (*fact.told_by, ERASED):
            story.bad.append((event.pk, f"it tells of {key}, which is not its to tell"))
        elif before is not None and before[0] != said and name not in CHANGING and event.type != ERASED:
            story.bad.append((event.pk, f"it tells of {key} anew, which never changes"))
        else:
            story.newest[key] = (said, event)


def _name(fact: str) -> str:
    return fact.replace("_", " ")


# --- before there were digests -----------------------------------------------------------------------------------


def _told_in_the_first_form(event: Event) -> set[str]:
    """Events of the first form name what they tell of, without a digest."""
    data = event.data
    match event.type:
        case "case.accepted":
            return {"case"}
        case "case.reported":
            return {f"report:{data.get('reporter_id')}"}
        case "case.decided":
            return {f"decision:{data.get('decision_id')}"}
        case "case.review_requested" | "case.cleared":
            return set() if data.get("failure") else {f"assessment:{data.get('round')}"}
        case "case.withdrawn":
            return {"withdrawn"}
        case "case.rollback_requested":
            return {f"rollback:{data.get('round')}"}
        case "appeal.received":
            return {f"appeal:{data.get('appeal_id')}"}
        case "order.planned":
            return {"orders"} | {f"order:{one.get('id')}" for one in data.get("orders", [])}
        case "order.reversals_planned":
            return {"orders"}
        case _:
            return set()


def _was_told_before(story: _Story, fact: str, row: Model) -> bool:
    """Of a row without a salt, that is, of before: did an event of the first form tell of it? Those did not tell what
    changes about it, nor which reversals were planned."""
    if getattr(row, "salt", None) is not None:
        return False
    before = story.told_before
    match row:
        case Case():
            return "case" in before
        case Report():
            return f"report:{row.reporter_id}" in before
        case Decision():
            return f"decision:{row.pk}" in before
        case Appeal():
            return f"appeal:{row.pk}" in before
        case Assessment():
            return f"assessment:{row.round}" in before or "withdrawn" in before
        case Run():
            return f"rollback:{row.round}" in before
        case Order() if row.undoes_id is None and row.resends_id is None:
            return f"order:{row.pk}" in before
        case Order():
            return "orders" in before
        case _:
            return False
