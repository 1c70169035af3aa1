"""An order may have to be reversed more than once, and it is known when a client that fetches them first saw it."""

import django.db.models.deletion
from django.db import migrations, models

# Until now that was called their first try; a webhook's tries are counted.
LISTED_BEFORE = """
UPDATE moderation_order SET listed_at = first_tried_at FROM moderation_client
WHERE moderation_client.id = moderation_order.client_id AND moderation_client.webhook_url = ''
  AND moderation_order.status IN ('planned', 'delivering') AND moderation_order.attempts = 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0004_first_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="listed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="order",
            name="undoes",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reversals",
                to="moderation.order",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["delivering", "planned"])),
                fields=("undoes",),
                name="one_reversal_in_line",
            ),
        ),
        migrations.RunSQL(LISTED_BEFORE, migrations.RunSQL.noop),
    ]
