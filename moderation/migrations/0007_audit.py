"""Keyed seals, digests of rows, salts beside words, and who did it by id. No table is rewritten: every new column is null
or has a constant default, and what was sealed stays as it was.

The chain's head is made here, beside its table, and not in a migration of its own: whoever takes that one off the list
of those applied would have it made anew over what they have written.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import moderation.models.salted
from moderation.services.record.chain import found

WORDS = ["appeal", "assessment", "case", "decision", "order", "report", "run"]


def _salt(model: str) -> list[migrations.operations.base.Operation]:
    # In two steps: with the default at once, every row of before would get one and the same salt.
    plain = models.BinaryField(max_length=16, null=True, editable=False)
    salted = models.BinaryField(max_length=16, null=True, editable=False, default=moderation.models.salted.new_salt)
    return [migrations.AddField(model, "salt", plain), migrations.AlterField(model, "salt", salted)]


def found_the_chain(apps, schema_editor):
    seals = apps.get_model("moderation", "Seal").objects.using(schema_editor.connection.alias)
    found(apps.get_model("moderation", "AuditHead")(), seals.order_by("position").last())


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0006_appeal_client"),
    ]

    operations = [
        *[step for model in WORDS for step in _salt(model)],
        migrations.AddField(
            model_name="event",
            name="digests",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="event",
            name="door",
            field=models.CharField(blank=True, db_default="", default="", max_length=10),
        ),
        migrations.AddField(
            model_name="event",
            name="form",
            field=models.PositiveSmallIntegerField(db_default=1, default=2),
        ),
        migrations.AddField(
            model_name="event",
            name="user",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="rebuilt",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="seal",
            name="key_id",
            field=models.CharField(max_length=16, null=True),
        ),
        migrations.AddField(
            model_name="seal",
            name="mac",
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.AlterField(
            model_name="event",
            name="actor",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("entries", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("mac", models.CharField(max_length=64)),
                ("key_id", models.CharField(max_length=16)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("bound", models.BigIntegerField(default=0)),
                ("mark", models.BigIntegerField(default=0)),
                (
                    "holders",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                ("unkeyed", models.BigIntegerField(default=0)),
                ("first_form", models.BigIntegerField(null=True)),
                ("taken_over", models.BigIntegerField(null=True)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_audit_head")],
            },
        ),
        migrations.CreateModel(
            name="Withdrawal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("salt", models.BinaryField(default=moderation.models.salted.new_salt, max_length=16, null=True)),
                ("reason", models.TextField()),
                ("keep_in_force", models.BooleanField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="withdrawals", to="moderation.case"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.RunPython(found_the_chain, migrations.RunPython.noop),
    ]
