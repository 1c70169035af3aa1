"""The reviewer of the next round is not the first: by account and by name, across all doors, and in the database."""

from __future__ import annotations

import uuid
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test import Client as Browser

from moderation.errors import Unacceptable
from moderation.models import Appeal, Decision, User
from moderation.rights import Actor
from moderation.services.desk import people
from moderation.tests.api_answers import assert_problem
from moderation.tests.appealing import appeal, appealed
from moderation.tests.moderators import Moderator, end_the_undo_window, plain, sql
from moderation.tests.people import App, ana, ben, sue, work

pytest_plugins = ["moderation.tests.moderators"]


def by_ana_and_back(client_app: App, case_id: str) -> None:
    """Ana decides in the console; the case is rolled back for somebody else."""
    desk = Moderator(ana())
    desk.do("claim", case_id)
    desk.decide(case_id)
    end_the_undo_window(case_id)
    work()
    assert client_app.roll_back(case_id).status_code == 202
    work()
    assert client_app.case(case_id)["round"] == 2


def rename(user: User, name: str) -> None:
    """As somebody could who has the database in hand."""
    sql("ALTER TABLE moderation_user DISABLE TRIGGER USER")
    sql("UPDATE moderation_user SET username = %s WHERE id = %s", name, user.pk)
    sql("ALTER TABLE moderation_user ENABLE TRIGGER USER")


def test_whoever_has_another_name_now_is_still_the_first_reviewer(client_app: App, case_id: str) -> None:
    by_ana_and_back(client_app, case_id)
    user = ana()
    rename(user, "anastasia")
    desk = Moderator(User.objects.get(pk=user.pk))
    assert desk.do("claim", case_id).status_code == 403
    assert "another pair of eyes" in plain(desk.look(case_id))
    taken = desk.browser.post("/console/next/")
    assert taken["Location"] == "/console/", "nothing is hers to take"
    assert client_app.case(case_id)["decision"] is None


def test_the_same_person_is_known_across_the_doors_by_name(client_app: App, case_id: str) -> None:
    by_ana_and_back(client_app, case_id)
    # Cyrillic letters, an invisible filler, a variation selector, spaces.
    for spelling in ("аna", "ANA", "a\u3164na", "an\ufe0fa", " ana "):
        answer = client_app.decide(case_id, by=spelling, outcome="no_violation")
        assert_problem(answer, 403, "same_reviewer")
    assert client_app.decide(case_id, by="anna", outcome="no_violation").status_code == 202


@pytest.mark.parametrize("spelling", ["ana", "Ana", " ANA", "аna"])
def test_a_user_name_under_which_an_app_has_decided_does_not_change(
    client_app: App, case_id: str, spelling: str
) -> None:
    assert client_app.decide(case_id, by=spelling).status_code == 202
    with pytest.raises(Unacceptable):
        people.change(ana().pk, by=Actor.operator(), username="anastasia")


def test_a_user_name_that_has_decided_does_not_change(client_app: App, case_id: str) -> None:
    fields = {"username": "anastasia", "role": "moderator", "is_active": "on"}
    admin = Browser()
    admin.force_login(sue())
    other = User.objects.create(username="carl")
    assert admin.post(f"/admin/moderation/user/{other.pk}/change/", {**fields, "username": "karl"}).status_code == 302
    assert User.objects.get(pk=other.pk).username == "karl", "who has decided nothing may be renamed"
    by_ana_and_back(client_app, case_id)
    user = ana()
    assert "does not change any more" in admin.get(f"/admin/moderation/user/{user.pk}/change/").content.decode()
    admin.post(f"/admin/moderation/user/{user.pk}/change/", fields)
    assert User.objects.get(pk=user.pk).username == "ana"
    user.username = "anastasia"
    with pytest.raises(ValidationError):
        user.full_clean()
    with pytest.raises(DatabaseError), transaction.atomic():
        user.save()
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(username="anastasia")


def test_whoever_decided_does_not_declare_the_appeal_inadmissible_by_account_either(client_app: App) -> None:
    case_id = client_app.start(author_id="author-1")
    work()
    desk = Moderator(ana())
    desk.do("claim", case_id)
    desk.decide(case_id)
    end_the_undo_window(case_id)
    work()
    assert appeal(client_app, case_id).status_code == 201
    user = ana()
    rename(user, "anastasia")
    row = Appeal.objects.get()
    path, why = f"/console/appeals/{row.pk}/inadmissible/", {"why": "I was right."}
    renamed = Moderator(User.objects.get(pk=user.pk))
    assert renamed.browser.post(path, why).status_code == 403
    row.refresh_from_db()
    assert row.closed_at is None
    assert Moderator(ben()).browser.post(path, why).status_code == 302
    row.refresh_from_db()
    assert (row.status, row.closed_at is not None) == ("inadmissible", True)


@pytest.mark.parametrize(
    ("change", "value"), [("decider", "ana"), ("user_id", None), ("earlier_decider", "x"), ("earlier_account", 0)]
)
def test_the_database_refuses_the_same_person_whatever_the_door(
    client_app: App, case_id: str, change: str, value: Any
) -> None:
    by_ana_and_back(client_app, case_id)
    first = Decision.objects.get()
    fields = {
        "case_id": first.case_id,
        "round": 2,
        "outcome": "no_violation",
        "decided_by": "ben",
        "decider": "ben",
        "user_id": ben().pk,
        "via": "console",
        "earlier": first,
        "earlier_decider": first.decider,
        "earlier_account": first.user_id,
    }
    other = value if change != "user_id" else first.user_id
    with pytest.raises(DatabaseError), transaction.atomic():  # on commit at the latest
        Decision.objects.create(**{**fields, change: other})
    Decision.objects.create(**fields)


def test_an_upgrade_folds_stored_deciders_anew_and_reports_one_person_on_both_sides(
    client_app: App, case_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    by_ana_and_back(client_app, case_id)
    client_app.decide(case_id, by="Ben", outcome="no_violation")
    work()
    first, second = Decision.objects.order_by("round")
    # As an older release stored them: folded by fewer rules, so that Cyrillic letters were other letters.
    sql(
        "ALTER TABLE moderation_decision DROP CONSTRAINT earlier_person_is_true, DROP CONSTRAINT second_decider_differs"
    )
    sql("UPDATE moderation_decision SET decided_by = 'аnа', decider = 'аnа' WHERE id = %s", second.pk)
    migration = import_module("moderation.migrations.0010_four_eyes")
    with connection.schema_editor() as editor:
        sql("ALTER TABLE moderation_decision DROP CONSTRAINT decision_id_with_person")
        migration.fold_anew(apps, editor)
        sql(migration.KEY)
        (differs,) = [one for one in Decision._meta.constraints if one.name == "second_decider_differs"]
        editor.add_constraint(Decision, differs)
    second.refresh_from_db()
    assert (second.decider, second.same_person, second.earlier_decider) == ("ana", True, "ana")
    said = capsys.readouterr().out
    assert str(case_id) in said
    assert "one person" in said
    Decision.objects.filter(pk=second.pk).update(withdrawn_at=first.decided_at)  # it may still be written to


def test_rights_are_the_verbs_own_and_not_a_doors(client_app: App, case_id: str) -> None:
    from moderation.errors import NotAllowed, NotFound
    from moderation.rights import Actor
    from moderation.services.orders import delivery
    from moderation.services.story import appeals, review, rollback, withdrawal
    from moderation.services.story.rulings import Ruling
    from moderation.tests.people import app, console

    case, ruling = uuid.UUID(case_id), Ruling("no_violation")
    keyless, stranger = Actor.of_client(client_app.client), app().client
    for code, act in (
        ("scope_missing", lambda: review.decide(case, ruling, by=keyless)),
        ("scope_missing", lambda: rollback.roll_back(case, by=keyless, reason="x")),
        ("scope_missing", lambda: withdrawal.withdraw(case, by=keyless, reason="x")),
        ("scope_missing", lambda: appeals.submit(case, by=keyless, appellant_id="author-1", statement="x")),
        ("supervisors_only", lambda: rollback.roll_back(case, by=console(ana()), reason="x")),
        ("supervisors_only", lambda: delivery.replay(uuid.uuid4(), by=console(ana()))),
        ("not_allowed", lambda: withdrawal.withdraw(case, by=console(sue()), reason="x")),
        ("not_allowed", lambda: review.claim(case, by=Actor.system())),
        ("not_allowed", lambda: review.claim(case, by=console(User(username="gone", is_active=False)))),
    ):
        with pytest.raises(NotAllowed) as refused:
            act()
        assert refused.value.code == code
    with pytest.raises(NotFound):
        review.decide(case, ruling, by=Actor.of_client(stranger, ["decisions:write"]))


def test_of_an_appealed_case_the_first_reviewer_sees_that_it_is_not_theirs(client_app: App) -> None:
    case_id, row = appealed(client_app)
    assert "/inadmissible/" not in plain(Moderator(ana()).look(case_id))
    assert "/inadmissible/" in plain(Moderator(ben()).look(case_id))
    assert row.decision is not None
