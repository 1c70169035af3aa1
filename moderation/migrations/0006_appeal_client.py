"""An appeal names its client itself, so that a client's list of appeals is one walk of an index."""

import django.db.models.deletion
from django.db import migrations, models

FILL = "UPDATE moderation_appeal a SET client_id = c.client_id FROM moderation_case c WHERE c.id = a.case_id"


def client(**more):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="moderation.client", **more
    )


class Migration(migrations.Migration):
    dependencies = [("moderation", "0005_order_lines")]
    operations = [
        migrations.AddField("appeal", "client", client(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        # What the update left pending for the foreign key would refuse the next ALTER in the same transaction.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField("appeal", "client", client()),
        migrations.AddIndex("appeal", models.Index(fields=["client", "-created_at", "-id"], name="appeal_by_client")),
    ]
