"""What the audit finds: every tampering with the history and with the rows it tells of, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from moderation.models import AuditHead, Case, Event, Seal
from moderation.services.record import audit
from moderation.services.record.chain import Key, link
from moderation.tests.people import App
from moderation.tests.platform import Platform
from moderation.tests.walking import walk


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def complaint(*arguments: str) -> str:
    """What verify_audit says is wrong."""
    with pytest.raises(CommandError) as refused:
        run("verify_audit", *arguments)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1
    return str(refused.value)


def as_superuser(*statements: str) -> None:
    """What somebody can do who owns the database: no trigger and no foreign key holds."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount, f"nothing was changed by {statement}"


def seal_all() -> None:
    while audit.seal():
        pass


@pytest.fixture
def walked(client_app: App, platform: Platform) -> list[str]:
    """Four cases with a long history, all of it sealed."""
    ids = walk(client_app, platform)
    seal_all()
    return ids


def test_what_was_not_tampered_with_holds(walked: list[str]) -> None:
    assert run("verify_audit") == f"{Event.objects.count()} entries, and the chain holds.\n"
    assert Seal.objects.count() == Event.objects.count() == AuditHead.objects.get().entries > 50
    assert run("verify_audit") == f"{Event.objects.count()} entries, and the chain holds.\n"


DECIDED = "(SELECT min(id::text)::uuid FROM moderation_decision)"

TAMPERINGS: dict[str, tuple[list[str], str]] = {
    # --- the chain
    "an entry's data": (
        [
            "UPDATE moderation_event SET data = '{}' FROM moderation_seal"
            " WHERE moderation_event.id = event_id AND position = 3"
        ],
        "Entry 3 (event ",
    ),
    "when an entry was written": (
        ["UPDATE moderation_event SET at = at - interval '1 day' WHERE id = (SELECT min(id) FROM moderation_event)"],
        "Entry 1 (event ",
    ),
    "who did it": (
        ["UPDATE moderation_event SET user_id = NULL WHERE type = 'case.decision_undone'"],
        "not what was sealed",
    ),
    "a seal put on another event": (
        ["UPDATE moderation_seal SET event_id = event_id + 1000000 WHERE position = 5"],
        "Entry 5 (event ",
    ),
    "one entry taken out": (
        [
            "DELETE FROM moderation_event WHERE id = (SELECT event_id FROM moderation_seal WHERE position = 4)",
            "DELETE FROM moderation_seal WHERE position = 4",
        ],
        "Entry 4: it is missing",
    ),
    "an event taken out, its seal left": (
        ["DELETE FROM moderation_event WHERE id = (SELECT event_id FROM moderation_seal WHERE position = 4)"],
        "its event is gone",
    ),
    "the tail cut off": (
        [
            "DELETE FROM moderation_event WHERE id IN (SELECT event_id FROM moderation_seal WHERE position > 20)",
            "DELETE FROM moderation_seal WHERE position > 20",
        ],
        "Entry 21: it is missing",
    ),
    "the tail cut off, and the head set back with the seal's own mac": (
        [
            "UPDATE moderation_audithead SET entries = 20, hash = s.hash, mac = s.mac FROM moderation_seal s"
            " WHERE s.position = 20",
            "DELETE FROM moderation_event WHERE id IN (SELECT event_id FROM moderation_seal WHERE position > 20)",
            "DELETE FROM moderation_seal WHERE position > 20",
        ],
        "the head of the chain was not made with the key it names",
    ),
    "the seals of the tail": (["DELETE FROM moderation_seal WHERE position > 20"], "Entry 21: it is missing"),
    "all seals": (["DELETE FROM moderation_seal"], "Entry 1: it is missing"),
    "all events and seals": (
        ["DELETE FROM moderation_seal", "DELETE FROM moderation_event"],
        "Entry 1: it is missing",
    ),
    "everything of the history, the head too": (
        ["DELETE FROM moderation_seal", "DELETE FROM moderation_event", "DELETE FROM moderation_audithead"],
        "the head of the chain is gone",
    ),
    "the head": (["DELETE FROM moderation_audithead"], "the head of the chain is gone"),
    "the head set back": (["UPDATE moderation_audithead SET entries = entries - 1"], "the head of the chain"),
    "the key taken off a seal": (
        ["UPDATE moderation_seal SET mac = NULL, key_id = NULL WHERE position = 7"],
        "Entry 7 (event ",
    ),
    "an event put in behind the chain": (
        [
            "INSERT INTO moderation_event (id, form, type, actor, door, data, at)"
            " VALUES (0 + (SELECT min(id) - 1 FROM moderation_event), 2, 'case.claimed', '', 'console', '{}', now())"
        ],
        "never sealed",
    ),
    "an event put in before the first id": (
        [
            "INSERT INTO moderation_event (id, form, type, actor, door, data, at)"
            " VALUES (-1, 2, 'case.claimed', '', 'console', '{}', now())"
        ],
        "An entry (event -1): it stands behind the chain and was never sealed",
    ),
    "the head given another key": (
        ["UPDATE moderation_audithead SET key_id = 'another'"],
        "the head of the chain was made with another key",
    ),
    # --- the rows
    "a decision's outcome": (
        ["UPDATE moderation_decision SET outcome = 'no_violation' WHERE outcome = 'violation'"],
        "decision",
    ),
    "a decision's reason": ([f"UPDATE moderation_decision SET reason = 'x' WHERE id = {DECIDED}"], "decision"),
    "a decision's note": ([f"UPDATE moderation_decision SET note = 'x' WHERE id = {DECIDED}"], "decision"),
    "who decided": ([f"UPDATE moderation_decision SET decided_by = 'x' WHERE id = {DECIDED}"], "decision"),
    "when it was decided": (
        [f"UPDATE moderation_decision SET decided_at = decided_at - interval '1 s' WHERE id = {DECIDED}"],
        "decision",
    ),
    "what a decision orders": ([f"UPDATE moderation_decision SET actions = '[]' WHERE id = {DECIDED}"], "decision"),
    "the policy a decision names": (["DELETE FROM moderation_decision_policies"], "decision"),
    "a decision taken back": (
        ["UPDATE moderation_decision SET withdrawn_at = now() WHERE withdrawn_at IS NULL"],
        "the decision state",
    ),
    "a decision gone": ([f"DELETE FROM moderation_decision WHERE id = {DECIDED}"], "is gone"),
    "a decision nobody made": (
        [
            "INSERT INTO moderation_decision (id, case_id, round, outcome, actions, reason, note, decided_by, decider,"
            " via, decided_at) SELECT gen_random_uuid(), case_id, 9, outcome, actions, reason, note, 'x', 'x', via,"
            f" now() FROM moderation_decision WHERE id = {DECIDED}"
        ],
        "has no entry in the history",
    ),
    "a decision nobody made, with a salt": (
        [
            "INSERT INTO moderation_decision (id, case_id, round, outcome, actions, reason, note, decided_by, decider,"
            " via, decided_at, salt) SELECT gen_random_uuid(), case_id, 9, outcome, actions, reason, note, 'x', 'x',"
            f" via, now(), salt FROM moderation_decision WHERE id = {DECIDED}"
        ],
        "has no entry in the history",
    ),
    "an order's action": (
        ["UPDATE moderation_order SET action = 'ban_author' WHERE action = 'suspend_author'"],
        "order",
    ),
    "an order's days": (
        ["UPDATE moderation_order SET params = '{\"days\": 1}' WHERE action = 'suspend_author'"],
        "order",
    ),
    "what a client answered": (["UPDATE moderation_order SET detail = 'x' WHERE result = 'refused'"], "order answer"),
    "an answer nobody gave": (
        ["UPDATE moderation_order SET status = 'applied' WHERE status = 'failed'"],
        "order state",
    ),
    "whom an order bans": (["UPDATE moderation_subject SET external_id = 'x' WHERE kind = 'author'"], "the order "),
    "what an order is about": (["UPDATE moderation_subject SET kind = 'author' WHERE kind = 'content'"], "the order "),
    "an order gone": (["DELETE FROM moderation_order WHERE direction = 'reverse'"], "is gone"),
    "an order nobody gave": (
        [
            "INSERT INTO moderation_order (id, priority, due_at, attempts, last_error, created_at, direction, action,"
            " params, place, sequence, status, result, detail, case_id, client_id, decision_id, subject_id, undoes_id,"
            " names_id, resends_id) SELECT gen_random_uuid(), priority, due_at, 0, '', now(), direction, 'ban_author',"
            " params, 99, 99, 'planned', '', '', case_id, client_id, decision_id, subject_id, undoes_id, names_id,"
            " resends_id FROM moderation_order WHERE direction = 'apply' LIMIT 1"
        ],
        "has no entry in the history",
    ),
    "an assessment": (["UPDATE moderation_assessment SET violation = NOT violation"], "assessment"),
    "a text": (["UPDATE moderation_case SET text = text || '!'"], "the case "),
    "an author": (["UPDATE moderation_case SET author_id = 'x'"], "the case "),
    "how a case stands": (["UPDATE moderation_case SET outcome = 'cleared' WHERE outcome <> ''"], "the case state "),
    "a case gone": (
        ["DELETE FROM moderation_case WHERE id = (SELECT min(id::text)::uuid FROM moderation_case)"],
        "the case it tells of is gone",
    ),
    "a case nobody sent": (
        [
            "INSERT INTO moderation_case (id, client_id, content_id, content_type, text, text_hash, author_id,"
            " language, url, context, priority, status, outcome, round, version, thread_version, due_at)"
            " SELECT gen_random_uuid(), client_id, 'x', content_type, 'x', 'x', author_id, language, url, context,"
            " priority, status, outcome, round, version, thread_version, due_at FROM moderation_case LIMIT 1"
        ],
        "has no entry in the history",
    ),
    "a report": (["UPDATE moderation_report SET reason = 'x'"], "report"),
    "who reported": (["UPDATE moderation_report SET reporter_id = reporter_id || 'x'"], "report"),
    "a report gone": (["DELETE FROM moderation_report WHERE reporter_id = 'mark-other'"], "is gone"),
    "a report nobody made": (
        [
            "INSERT INTO moderation_report (case_id, reporter_id, reason, created_at)"
            " SELECT case_id, 'x', 'x', now() FROM moderation_report LIMIT 1"
        ],
        "has no entry in the history",
    ),
    "an appeal": (["UPDATE moderation_appeal SET statement = 'x'"], "appeal"),
    "how an appeal ended": (["UPDATE moderation_appeal SET status = 'granted'"], "appeal state"),
    "an answer to an appeal": (["UPDATE moderation_appeal SET answer = 'x' WHERE answer <> ''"], "appeal state"),
    "why it was rolled back": (["UPDATE moderation_run SET reason = 'x' WHERE reason <> ''"], "rollback"),
    "why it was withdrawn": (["UPDATE moderation_withdrawal SET reason = 'x'"], "withdrawal"),
    "words and salt taken away without a word": (
        ["UPDATE moderation_report SET reason = '', salt = ''"],
        "report",
    ),
}


def test_every_tampering_is_found_and_named(walked: list[str]) -> None:
    """One walk serves all: each is done, found, and rolled back."""
    missed = []
    for what, (statements, said) in TAMPERINGS.items():
        with transaction.atomic():
            as_superuser(*statements)
            found = complaint()
            if said.lower() not in found.lower() or not found.startswith("The chain does not hold. "):
                missed.append((what, found))
            if complaint() != found:
                missed.append((what, "the job that seals has covered it up"))
            transaction.set_rollback(True)
    assert missed == []
    assert "the chain holds" in run("verify_audit")


def rehash(start: int, key: Key | None = None) -> None:
    """Make every link from `start` on anew; with a key, the seals and the head too."""
    previous = Seal.objects.get(position=start - 1).hash if start > 1 else "0" * 64
    for sealed in Seal.objects.select_related("event").filter(position__gte=start).order_by("position"):
        previous = link(previous, sealed.event)
        mac = key.seal(sealed.position, previous) if key else sealed.mac
        as_superuser(
            f"UPDATE moderation_seal SET hash = '{previous}', mac = '{mac}' WHERE position = {sealed.position}"
        )
    head = AuditHead.objects.get()
    head.hash = previous
    head.mac = key.head(head) if key else head.mac
    head.save()


@pytest.mark.parametrize("key", [None, Key(b"a guess", Key.present().id)])
def test_an_edited_entry_is_found_though_everything_was_hashed_anew(client_app: App, key: Key | None) -> None:
    for _ in range(3):
        client_app.start()
    seal_all()
    victim = Seal.objects.get(position=2).event_id
    as_superuser(f'UPDATE moderation_event SET data = \'{{"to": "completed"}}\' WHERE id = {victim}')
    rehash(2, key)
    assert f"Entry 2 (event {victim}): its seal was not made with the key it names." in complaint()


def test_the_first_bad_entry_is_named_before_the_missing_ones(walked: list[str]) -> None:
    as_superuser(
        "UPDATE moderation_decision SET note = 'x'",
        "UPDATE moderation_case SET text = 'x'",
        "INSERT INTO moderation_report (case_id, reporter_id, reason, created_at)"
        " SELECT case_id, 'x', 'x', now() FROM moderation_report LIMIT 1",
    )
    first = Event.objects.order_by("pk").first()
    assert first is not None
    assert f"Entry 1 (event {first.pk}): the case {first.case_id} it tells of is not what it was." in complaint()


def test_another_key_is_called_another_key(client_app: App, settings: Settings) -> None:
    client_app.start()
    seal_all()
    kept = Key.present()
    settings.AUDIT_KEY = "quite another key, of forty letters long"
    assert Key.present().id != kept.id
    said = complaint()
    assert f"Entry 1 (event {Event.objects.get().pk}): it was sealed with another key ({kept.id}" in said
    client_app.start()
    assert "another key" in complaint(), "what comes later is sealed with the new one"
    assert sorted(Seal.objects.values_list("key_id", flat=True)) == sorted([kept.id, Key.present().id])
    as_superuser("UPDATE moderation_event SET type = 'case.cleared' WHERE id = (SELECT max(id) FROM moderation_event)")
    assert "Entry 2" in complaint(), "what was tampered with goes before"
    settings.AUDIT_KEY = ""
    settings.SECRET_KEY = "x" * 50
    assert Key.present().id != kept.id


def test_a_head_that_was_kept_elsewhere_tells_of_an_older_state(client_app: App, tmp_path: Path) -> None:
    client_app.start()
    early = tmp_path / "early.json"
    early.write_text(run("audit_head"))
    client_app.start()
    late = tmp_path / "late.json"
    late.write_text(run("audit_head"))
    said = json.loads(late.read_text())
    assert set(said) == {"entries", "head", "at"}
    assert (said["entries"], said["head"]) == (2, Seal.objects.get(position=2).hash)
    for kept in (early, late):
        assert "2 entries, and the chain holds" in run("verify_audit", "--head", str(kept))

    # The whole database as it was an hour ago, head and key and all.
    newest, head = Case.objects.latest("pk"), AuditHead.objects.get()
    head.entries, head.hash = 1, Seal.objects.get(position=1).hash
    head.mac = Key.present().head(head)
    head.save()
    as_superuser(
        "DELETE FROM moderation_seal WHERE position = 2",
        f"DELETE FROM moderation_event WHERE case_id = '{newest.pk}'",
        f"DELETE FROM moderation_run WHERE case_id = '{newest.pk}'",
        f"DELETE FROM moderation_case WHERE id = '{newest.pk}'",
    )
    assert "1 entries, and the chain holds" in run("verify_audit")
    assert "1 entries, and the chain holds" in run("verify_audit", "--head", str(early))
    assert "Entry 2: it is missing: 2 entries stood here on" in complaint("--head", str(late))
    client_app.start()
    client_app.start()
    assert "Entry 2 (event " in complaint("--head", str(late))
    assert "whose head was kept" in complaint("--head", str(late))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"entries": "1", "head": "x"}', '{"entries": 1, "head": "x"}', "\udcff"]
)
def test_a_file_that_holds_no_head_is_refused_in_one_sentence(database: None, tmp_path: Path, text: str) -> None:
    file = tmp_path / "head.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert str(file) in complaint("--head", str(file))
    assert "cannot be read" in complaint("--head", str(tmp_path / "nothing"))


def test_an_empty_history_has_a_head_and_holds(database: None, tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    file.write_text(run("audit_head"))
    assert json.loads(file.read_text())["entries"] == 0
    assert run("verify_audit", "--head", str(file)) == "0 entries, and the chain holds.\n"
    as_superuser("DELETE FROM moderation_audithead")
    for command in ("verify_audit", "audit_head"):
        with pytest.raises(CommandError, match=r"The head of the chain is gone: .* Restore the database from a backup"):
            run(command)


def test_verifying_costs_a_fixed_number_of_queries_for_every_thousand_entries(walked: list[str]) -> None:
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert audit.verify()[1] is None
        return len(seen)

    before = cost()
    sample: dict[str, Any] = {"type": "case.claimed", "door": "console", "data": {}}
    Event.objects.bulk_create([Event(case_id=walked[0], **sample) for _ in range(800)])
    seal_all()
    assert cost() == before <= 30


def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, "AUDIT_KEY": "short", "GUARDIAN_HOME": str(tmp_path)}
    script = [sys.executable, "-c", "import moderation.settings"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert "AUDIT_KEY is shorter than 32 characters" in done.stderr.splitlines()[-1]
