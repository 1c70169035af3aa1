"""Words can be erased, and the history still holds: it has digests only, and the salt goes with the words."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from moderation.models import Appeal, Assessment, Case, Decision, Event, Order, Report, Run, Withdrawal
from moderation.models.facts import ERASED, FACTS, tell
from moderation.models.salted import Salted
from moderation.rights import Actor, Verb, require
from moderation.selectors.access import locked
from moderation.services.record.history import note

WORDS: dict[type[Salted], dict[str, Any]] = {
    Case: {"text": "", "text_hash": "", "url": "", "context": {}},
    Report: {"reporter_id": "erased-{id}", "reason": ""},
    Assessment: {"summary": "", "findings": [], "doubts": []},
    Decision: {"reason": "", "note": ""},
    Order: {"detail": "", "last_error": ""},
    Appeal: {"appellant_id": "erased-{id}", "statement": "", "answer": ""},
    Run: {"requested_by": "", "reason": "", "failure": "", "rebuilt": "", "last_error": ""},
    Withdrawal: {"reason": ""},
}
"""What is put in the place of each row's words. One per case and person stays one per case and person."""


@transaction.atomic
def erase(row: Salted, *, by: Actor) -> None:
    """Blank the words of `row` and its salt, and write the event that tells what is left of it. Repeatable."""
    require(by, Verb.ERASE)
    model = type(row)
    case = locked(row.pk if isinstance(row, Case) else row.case_id)  # type: ignore[attr-defined]
    # Locked: orders also end without their case's lock.
    row = model._default_manager.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
    if row.is_erased:
        return
    for name, blank in WORDS[model].items():
        setattr(row, name, blank.format(id=row.pk) if isinstance(blank, str) else blank)
    row.salt = b""
    row.save(update_fields=[*WORDS[model], "salt"])
    tells: dict[str, str] = {}
    for digests in Event.objects.filter(case=case, digests__isnull=False).values_list("digests", flat=True):
        for key in digests or {}:
            fact, _colon, pk = key.partition(":")
            if pk == str(row.pk) and FACTS[fact].model is model:
                tells |= tell(fact, row)
    note(case, ERASED, by=by, tells=tells, row=f"{model._meta.model_name}:{row.pk}")
