"""What somebody can do to the history who owns the database and writes what the house would seal for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moderation.models import AuditHead, Decision, Event
from moderation.models.facts import tell
from moderation.services.record import audit
from moderation.tests.people import App
from moderation.tests.test_audit import as_superuser, complaint, run, seal_all, walked

__all__ = ["walked"]


def test_the_end_cut_off_and_the_head_given_another_key_is_found(client_app: App) -> None:
    client_app.start()
    seal_all()
    kept = AuditHead.objects.get().entries
    Event.objects.create(type="case.claimed", door="console")
    seal_all()
    as_superuser(
        f"DELETE FROM moderation_event WHERE id IN (SELECT event_id FROM moderation_seal WHERE position > {kept})",
        f"DELETE FROM moderation_seal WHERE position > {kept}",
        f"UPDATE moderation_audithead SET entries = {kept}, key_id = 'another',"
        f" hash = (SELECT hash FROM moderation_seal WHERE position = {kept})",
    )
    assert "The head of the chain was made with another key (another; " in complaint()


def test_a_bound_beyond_every_event_does_not_keep_the_check_from_ending(client_app: App) -> None:
    client_app.start()
    seal_all()
    as_superuser("UPDATE moderation_audithead SET bound = 9000000000000000000")
    run("verify_audit")
    client_app.start()
    assert "it stands behind the chain and was never sealed" in complaint()


@pytest.mark.parametrize("kind", ["case.decided", "erased"])
def test_what_never_changes_is_not_told_anew(walked: list[str], kind: str) -> None:
    """Whoever edits a row can also write an event, which is sealed like any other."""
    decision = Decision.objects.exclude(reason="").earliest("pk")
    as_superuser(f"UPDATE moderation_decision SET reason = 'forged' WHERE id = '{decision.pk}'")
    decision = Decision.objects.get(pk=decision.pk)
    Event.objects.create(case_id=decision.case_id, type=kind, door="console", digests=tell("decision", decision))
    said = "it tells of is not what it was" if kind == "case.decided" else "it says was erased was not"
    assert f"the decision {decision.pk} {said}" in complaint()


@pytest.mark.parametrize("put", ["digests = '{digests}'", "door = 'console'", "user_id = 1"])
def test_what_events_of_the_first_form_do_not_hold_is_not_put_there_later(walked: list[str], put: str) -> None:
    """Their bytes do not cover these columns."""
    decision = Decision.objects.exclude(reason="").earliest("pk")
    data = {"decision_id": str(decision.pk)}
    old = Event.objects.create(form=1, case_id=decision.case_id, type="case.decided", actor="Ana", data=data)
    assert "the chain holds" in run("verify_audit")
    as_superuser(f"UPDATE moderation_decision SET reason = 'forged' WHERE id = '{decision.pk}'")
    digests = json.dumps(tell("decision", Decision.objects.get(pk=decision.pk)))
    as_superuser(f"UPDATE moderation_event SET {put.replace('{digests}', digests)} WHERE id = {old.pk}")
    assert f"(event {old.pk}): its content is not what was sealed" in complaint()


def test_what_is_sealed_while_the_chain_is_walked_is_no_false_alarm(
    client_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_app.start()
    seal_all()
    walk = audit._walk

    def walk_slowly(kept: audit.Kept | None) -> Any:
        found = walk(kept)
        client_app.start()
        seal_all()
        return found

    monkeypatch.setattr(audit, "_walk", walk_slowly)
    assert audit.verify() == (1, None)
