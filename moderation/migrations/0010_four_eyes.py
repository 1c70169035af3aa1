"""People are compared by account and by name, and names are folded by one table: stored deciders are folded anew.

Where that shows one person on both sides of a case, this is printed and kept (`same_person`), not failed: nobody can
undo it by refusing the upgrade. A user name that has decided does not change any more.
"""

from collections.abc import Iterator
from typing import Any

import django.db.models.functions.comparison
from django.db import migrations, models

from agents.folding import fold_name

BATCH = 1000

OLD_KEY_GONE = """
ALTER TABLE moderation_decision DROP CONSTRAINT earlier_decider_is_true;
ALTER TABLE moderation_decision DROP CONSTRAINT decision_id_with_decider;
"""
OLD_KEY = """
ALTER TABLE moderation_decision
    ADD CONSTRAINT decision_id_with_decider UNIQUE (id, decider);
ALTER TABLE moderation_decision
    ADD CONSTRAINT earlier_decider_is_true FOREIGN KEY (earlier_id, earlier_decider)
    REFERENCES moderation_decision (id, decider) DEFERRABLE INITIALLY DEFERRED;
"""
KEY = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE moderation_decision
    ADD CONSTRAINT decision_id_with_person UNIQUE (id, decider, account);
ALTER TABLE moderation_decision
    ADD CONSTRAINT earlier_person_is_true FOREIGN KEY (earlier_id, earlier_decider, earlier_account)
    REFERENCES moderation_decision (id, decider, account) DEFERRABLE INITIALLY DEFERRED;
"""
KEY_GONE = """
ALTER TABLE moderation_decision DROP CONSTRAINT earlier_person_is_true;
ALTER TABLE moderation_decision DROP CONSTRAINT decision_id_with_person;
"""
NAMES_STAY = """
CREATE FUNCTION moderation_refuse_new_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM moderation_decision WHERE user_id = OLD.id) THEN
        RAISE EXCEPTION 'the user name % has decided and does not change', OLD.username
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER user_name_stays BEFORE UPDATE OF username ON moderation_user
    FOR EACH ROW WHEN (OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION moderation_refuse_new_name();
"""
NAMES_STAY_BACK = """
DROP TRIGGER user_name_stays ON moderation_user;
DROP FUNCTION moderation_refuse_new_name();
"""


def fold_anew(apps: Any, schema_editor: Any) -> None:
    decisions = apps.get_model("moderation", "Decision").objects.using(schema_editor.connection.alias)
    for rows in _batches(decisions):
        changed = [row for row in rows if row.decider != fold_name(row.decided_by)]
        for row in changed:
            row.decider = fold_name(row.decided_by)
        decisions.bulk_update(changed, ["decider"])
    for rows in _batches(decisions.filter(earlier__isnull=False).select_related("earlier")):
        for row in rows:
            first = row.earlier
            row.earlier_decider, row.earlier_account = first.decider, first.account
            row.same_person = row.decider == first.decider or bool(row.account and row.account == first.account)
            if row.same_person:
                print(  # noqa: T201
                    f"\n  Case {row.case_id}: {first.decided_by!r} decided round {first.round}, and {row.decided_by!r}"
                    f" round {row.round}. This is one person; the decision is kept and marked.",
                    end="",
                )
        decisions.bulk_update(rows, ["earlier_decider", "earlier_account", "same_person"])


def _batches(decisions: Any) -> Iterator[list[Any]]:
    last = None
    while rows := list((decisions.filter(pk__gt=last) if last else decisions).order_by("pk")[:BATCH]):
        yield rows
        last = rows[-1].pk


class Migration(migrations.Migration):
    dependencies = [("moderation", "0009_feed_only_notices_and_tallies")]
    operations = [
        migrations.RemoveConstraint("decision", "second_decider_differs"),
        migrations.RemoveConstraint("decision", "earlier_decider_is_named"),
        migrations.RunSQL(OLD_KEY_GONE, OLD_KEY),
        migrations.AddField(
            "decision",
            "account",
            models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Coalesce("user_id", 0),
                output_field=models.BigIntegerField(),
            ),
        ),
        migrations.AddField("decision", "earlier_account", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("decision", "same_person", models.BooleanField(default=False, db_default=False)),
        migrations.AlterField(
            "decision",
            "via",
            models.CharField(
                choices=[
                    ("console", "Console"),
                    ("api", "Api"),
                    ("admin", "Admin"),
                    ("command", "Command"),
                    ("system", "System"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunPython(fold_anew, migrations.RunPython.noop),
        migrations.RunSQL(KEY, KEY_GONE),
        migrations.AddConstraint(
            "decision",
            models.CheckConstraint(
                condition=models.Q(earlier=None, earlier_decider=None, earlier_account=None)
                | models.Q(earlier__isnull=False, earlier_decider__isnull=False, earlier_account__isnull=False),
                name="earlier_decider_is_named",
            ),
        ),
        migrations.AddConstraint(
            "decision",
            models.CheckConstraint(
                condition=models.Q(earlier=None)
                | models.Q(same_person=True)
                | (
                    ~models.Q(earlier_decider=models.F("decider"))
                    & (models.Q(account=0) | ~models.Q(earlier_account=models.F("account")))
                ),
                name="second_decider_differs",
            ),
        ),
        migrations.RunSQL(NAMES_STAY, NAMES_STAY_BACK),
    ]
