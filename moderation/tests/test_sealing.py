"""Every event gets its place in the chain, whatever the clock says, and however late its transaction commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from moderation.models import AuditHead, Case, Event, Seal
from moderation.services.record import audit
from moderation.services.record.chain import found, link
from moderation.tests.moderators import sql
from moderation.tests.people import App, app, work

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def write(count: int = 1, at: datetime = NOW) -> list[int]:
    """Events without a case, as if it were `at`; their ids."""
    rows = [Event(type="test", door="system", actor="guardian", data={}, at=at) for _ in range(count)]
    return [row.pk for row in Event.objects.bulk_create(rows)]


def unsealed() -> list[int]:
    return list(Event.objects.filter(seal=None).order_by("pk").values_list("pk", flat=True))


@contextmanager
def writing(at: datetime = NOW) -> Iterator[psycopg.Connection]:
    """Another transaction that has written one event and has not committed yet."""
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"] or None, user=settings["USER"], dbname=settings["NAME"]
    ) as other:
        other.execute(
            "INSERT INTO moderation_event (form, type, actor, door, data, at)"
            " VALUES (2, 'test', 'guardian', 'system', '{}', %s)",
            [at],
        )
        yield other


@pytest.mark.parametrize("hours", [-1000, -1, 1, 1000])
def test_a_clock_that_is_set_skips_no_event_and_raises_no_alarm(database: None, hours: int) -> None:
    write(3)
    assert audit.seal() == 3
    write(3, at=NOW + timedelta(hours=hours))
    assert audit.seal() == 3
    write(3)
    assert audit.seal() == 3
    assert audit.verify() == (9, None)


@pytest.mark.parametrize("hours", [-1000, 0, 1000])
def test_a_transaction_that_commits_late_is_sealed_and_is_no_alarm_meanwhile(database: None, hours: int) -> None:
    write(2)
    audit.seal()
    with writing(at=NOW + timedelta(hours=hours)) as late, writing() as later:
        for _ in range(4):
            write(2)
            assert audit.seal() == 2
            assert audit.verify() == (Seal.objects.count(), None)
        later.commit()
        assert audit.seal() == 1
        write(2)
        late.commit()
        assert audit.seal() == 3
    assert unsealed() == []
    assert audit.verify() == (Event.objects.count(), None)


def test_what_was_rolled_back_leaves_a_gap_that_nobody_minds(database: None) -> None:
    with writing() as other:
        write(2)
        audit.seal()
        other.rollback()
    write(1)
    assert audit.seal() == 1
    assert audit.verify() == (3, None)


def test_under_steady_writing_the_job_looks_only_at_what_is_new(database: None) -> None:
    """There is always somebody writing, and yet the bound moves on."""
    newest = 0
    with writing() as first:
        for _ in range(3):
            newest = write(5)[-1]
            audit.seal()
        assert AuditHead.objects.get().bound < newest
        with writing() as second:
            first.commit()
            audit.seal()
            with writing() as third:
                second.commit()
                audit.seal()
                assert AuditHead.objects.get().bound >= newest
                third.commit()
    audit.seal()
    audit.seal()
    head = AuditHead.objects.get()
    assert (head.bound, head.holders) == (Event.objects.order_by("-pk")[0].pk, [])
    before = head.at
    assert audit.seal() == 0
    assert AuditHead.objects.get().at == before, "with nothing new, nothing is written"


def test_many_writers_and_two_jobs_leave_nothing_out(database: None) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def write_many(number: int) -> None:
        try:
            for turn in range(25):
                write(1 + (turn + number) % 3, at=NOW + timedelta(hours=(turn * number) % 7 - 3))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    def seal_on() -> None:
        try:
            while not done.is_set():
                audit.seal()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write_many, args=[number]) for number in range(6)]
    jobs = [threading.Thread(target=seal_on) for _ in range(2)]
    for thread in [*writers, *jobs]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in jobs:
        thread.join()
    while audit.seal():
        pass
    assert failures == []
    assert unsealed() == []
    assert audit.verify() == (Event.objects.count(), None)


def test_a_batch_costs_a_fixed_number_of_queries(database: None) -> None:
    def cost(count: int) -> int:
        write(count)
        with CaptureQueriesContext(connection) as seen:
            assert audit.seal() == min(count, audit.BATCH)
        return len(seen)

    assert cost(1) <= 11
    assert cost(50) == cost(audit.BATCH) == cost(audit.BATCH + 5)


# --- what was sealed before there was a key ----------------------------------------------------------------------


def as_it_was(client_app: App) -> None:
    """The database of before, just upgraded: events of the first form with a chain of bare hashes, of which the head
    knows, and rows without salts."""
    for number in range(3):
        client_app.start(report={"reporter_id": f"r-{number}", "reason": "Rude."})
    work()
    client_app.decide(str(Case.objects.earliest("pk").pk), "remove_content", reason="Rude.")
    work()
    said = {
        event.pk: (line["actor"], line["data"])
        for case in Case.objects.all()
        for event, line in zip(
            case.events.order_by("pk"), client_app.get(f"cases/{case.pk}/events/").json()["results"], strict=True
        )
    }
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for event in Event.objects.all():
            event.form, event.door, event.digests, event.user_id = 1, "", None, None
            event.actor, event.data = said[event.pk]
            event.save()
        for table in ("case", "report", "assessment", "decision", "order", "run"):
            cursor.execute(f"UPDATE moderation_{table} SET salt = NULL")
        cursor.execute("SET session_replication_role = origin")
    previous = "0" * 64
    for position, event in enumerate(Event.objects.order_by("pk")[:5], 1):
        previous = link(previous, event)
        Seal.objects.create(position=position, event=event, hash=previous)
    AuditHead.objects.all().delete()
    found(AuditHead(), Seal.objects.last())


def test_a_chain_of_before_is_carried_on_under_a_key(client_app: App) -> None:
    as_it_was(client_app)
    old = Event.objects.count()
    while audit.seal():
        pass
    assert audit.verify() == (old, None)
    assert Seal.objects.filter(mac=None).count() == 5
    case_id = str(Case.objects.earliest("pk").pk)
    client_app.roll_back(case_id)
    work()
    client_app.decide(case_id, by="Ben", outcome="no_violation")
    work()
    client_app.start(report={"reporter_id": "r-9", "reason": "Rude."})
    while audit.seal():
        pass
    assert audit.verify() == (Event.objects.count(), None)


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE moderation_event e SET actor = 'x' FROM moderation_seal WHERE e.id = event_id AND position = 2", "2"),
        ("DELETE FROM moderation_seal WHERE position <= 5", "1"),
        ("DELETE FROM moderation_seal WHERE position = 3", "3"),
    ],
)
def test_what_was_sealed_before_is_still_covered(client_app: App, tampering: str, said: str) -> None:
    as_it_was(client_app)
    while audit.seal():
        pass
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(tampering)
        cursor.execute("SET session_replication_role = origin")
    _, broken = audit.verify()
    assert str(broken).startswith(f"Entry {said}")


@pytest.mark.parametrize("table", ["decision", "report"])
def test_a_row_without_salt_that_no_event_of_before_tells_of_is_missing_one(client_app: App, table: str) -> None:
    as_it_was(client_app)
    if table == "report":
        sql(
            "INSERT INTO moderation_report (case_id, reporter_id, reason, created_at)"
            " SELECT case_id, 'nobody', 'x', now() FROM moderation_report LIMIT 1"
        )
    else:
        sql(
            "INSERT INTO moderation_decision (id, case_id, round, outcome, actions, reason, note, decided_by, decider,"
            " via, decided_at) SELECT gen_random_uuid(), case_id, 7, outcome, actions, reason, note, 'x', 'x', via,"
            " now() FROM moderation_decision LIMIT 1"
        )
    while audit.seal():
        pass
    _, broken = audit.verify()
    assert "has no entry in the history" in str(broken)


def test_a_pull_client_whose_answer_comes_twice_raises_no_alarm(database: None) -> None:
    puller = app()
    case_id = puller.start("You are a loser.")
    work()
    puller.decide(case_id, "remove_content", reason="Rude.")
    work()
    (order,) = puller.get("orders/", status="pending").json()["results"]
    for result in ("applied", "refused"):
        puller.post(f"orders/{order['id']}/confirm/", {"result": result, "detail": result})
    while audit.seal():
        pass
    assert audit.verify() == (Event.objects.count(), None)
