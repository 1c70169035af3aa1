"""What somebody can do to the history who owns the database and writes what the house would seal for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from moderation.models import AuditHead, Decision, Event, Seal
from moderation.models.facts import tell
from moderation.services.record import audit
from moderation.services.record.chain import GENESIS, Key, found, link
from moderation.tests.people import App
from moderation.tests.test_audit import as_superuser, complaint, run, seal_all, walked
from moderation.tests.test_sealing import as_it_was

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
    assert "The head of the chain was not made with the key it names" in complaint()


@pytest.mark.parametrize(
    "put",
    [
        "entries = entries - 1",
        "bound = 0",
        "mark = 9000000000000000",
        "holders = '{9/9}'",
        "unkeyed = 1",
        "first_form = NULL",
        "first_form = 9000000000000000",
        "taken_over = 0",
    ],
)
def test_nothing_of_the_head_is_changed_without_the_key(client_app: App, put: str) -> None:
    client_app.start()
    seal_all()
    as_superuser(f"UPDATE moderation_audithead SET {put}")
    client_app.start()
    assert "The head of the chain was not made with the key it names" in complaint()
    assert Seal.objects.count() == 1, "and nothing is sealed on from it"


def test_an_event_put_in_behind_the_chain_is_found_though_the_bound_was_set_back(walked: list[str]) -> None:
    as_superuser(
        "UPDATE moderation_audithead SET bound = 0",
        "INSERT INTO moderation_event (id, form, type, actor, door, data, at, case_id) SELECT min(id) - 1, 2,"
        f" 'case.claimed', '', 'console', '{{}}', min(at) - interval '1 h', '{walked[0]}' FROM moderation_event",
    )
    assert "The head of the chain was not made with the key it names" in complaint()


LAST = "(SELECT hash FROM moderation_seal ORDER BY position DESC LIMIT 1)"
MADE_UP = f"UPDATE moderation_audithead SET hash = {LAST}, entries = (SELECT count(*) FROM moderation_seal)"


@pytest.mark.parametrize(
    ("put", "said"),
    [
        ("DELETE FROM moderation_audithead", "The head of the chain is gone"),
        (f"{MADE_UP}, unkeyed = 1000", "The head of the chain was not made with the key it names"),
        (f"{MADE_UP}, unkeyed = 1000, key_id = 'x'", "The head of the chain was made with another key"),
        ("UPDATE moderation_audithead SET at = now()", "Entry 6 (event "),
    ],
)
def test_a_history_made_one_of_before_there_were_keys_does_not_hold(client_app: App, put: str, said: str) -> None:
    """No salts, no digests, all of the first form, and all hashed anew without a key: no edit of a row shows then."""
    as_it_was(client_app)
    last = Seal.objects.last()
    assert last is not None
    for event in Event.objects.filter(seal=None):
        made = link(last.hash, event)
        last = Seal.objects.create(position=last.position + 1, event=event, hash=made)
    as_superuser("UPDATE moderation_decision SET reason = 'forged'")
    with transaction.atomic():
        AuditHead.objects.all().delete()
        found(AuditHead(), last)
        assert "the chain holds" in run("verify_audit"), "only the head tells"
        transaction.set_rollback(True)
    as_superuser(put)
    Event.objects.create(type="case.claimed", door="console")
    for _ in range(2):
        assert said in complaint()
    assert not Seal.objects.exclude(mac=None).exists()


def test_everything_thrown_away_is_not_sealed_anew(client_app: App) -> None:
    client_app.start()
    seal_all()
    as_superuser("DELETE FROM moderation_seal", "DELETE FROM moderation_audithead")
    assert "The head of the chain is gone" in complaint()
    AuditHead.objects.create(entries=0, hash=GENESIS, mac="x", key_id="another")
    assert "The head of the chain was made with another key" in complaint()
    assert not Seal.objects.exists()


def test_a_fresh_history_holds_and_its_head_is_missed(client_app: App) -> None:
    assert audit.verify() == (0, None)
    as_superuser("DELETE FROM moderation_audithead")
    assert audit.verify()[1] is not None


def test_what_another_key_left_is_marked_for_ever(client_app: App) -> None:
    """Else a head could be called another key's for as long as it takes to have the job make it ours."""
    client_app.start()
    seal_all()
    sealed = Seal.objects.get()
    as_superuser(
        "UPDATE moderation_audithead SET key_id = 'x', first_form = 9000000000000000",
        "UPDATE moderation_seal SET key_id = 'x'",
    )
    client_app.start()
    seal_all()
    as_superuser(f"UPDATE moderation_seal SET key_id = '{sealed.key_id}' WHERE position = 1")
    assert "Entry 1: up to here another key vouches" in complaint()


def test_the_first_form_ends_with_the_first_sealing(client_app: App) -> None:
    old: dict[str, Any] = {"form": 1, "type": "case.claimed", "actor": "Ana"}
    Event.objects.create(**old)
    seal_all()
    assert audit.verify() == (1, None)
    Event.objects.create(**old)
    assert "Entry 2 (event " in complaint()


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
    seal_all()
    head = AuditHead.objects.get()
    head.first_form = old.pk
    head.mac = Key.present().head(head)
    head.save()
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

    def walk_slowly(*head: Any) -> Any:
        walked = walk(*head)
        client_app.start()
        seal_all()
        return walked

    monkeypatch.setattr(audit, "_walk", walk_slowly)
    assert audit.verify() == (1, None)
