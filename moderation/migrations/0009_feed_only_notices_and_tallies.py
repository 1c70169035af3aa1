"""Notices of clients without an address leave the outbox; what is due is found without a look at what is not."""

from django.db import migrations, models

# The one rule that every door, and plain SQL, must keep: a client that had no address is not sent its past, and one that
# has none any more is owed nothing. Named in the model.
LEAVE_TO_THE_FEED = """
CREATE FUNCTION moderation_leave_to_the_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE moderation_notice SET feed_only = true
    WHERE client_id = NEW.id AND order_id IS NULL AND NOT feed_only AND delivered_at IS NULL AND failed_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER client_leave_to_the_feed AFTER UPDATE OF webhook_url ON moderation_client FOR EACH ROW
    WHEN ((OLD.webhook_url = '') IS DISTINCT FROM (NEW.webhook_url = ''))
    EXECUTE FUNCTION moderation_leave_to_the_feed();
"""
LEAVE_TO_THE_FEED_BACK = """
DROP TRIGGER client_leave_to_the_feed ON moderation_client;
DROP FUNCTION moderation_leave_to_the_feed();
"""
THE_PAST = """
UPDATE moderation_notice SET feed_only = true FROM moderation_client c
WHERE c.id = client_id AND c.webhook_url = '' AND order_id IS NULL AND delivered_at IS NULL AND failed_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0008_entrance"),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),  # the past may be millions
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("labels", models.JSONField(blank=True, default=dict)),
                ("value", models.FloatField(default=0)),
            ],
            options={
                "verbose_name_plural": "tallies",
            },
        ),
        migrations.RemoveIndex(
            model_name="notice",
            name="notice_waiting",
        ),
        migrations.RemoveIndex(
            model_name="order",
            name="order_in_line",
        ),
        migrations.RemoveIndex(
            model_name="run",
            name="run_waiting",
        ),
        migrations.AddField(
            model_name="notice",
            name="feed_only",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="worker",
            name="clock",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunSQL(THE_PAST, migrations.RunSQL.noop),
        migrations.RunSQL(LEAVE_TO_THE_FEED, LEAVE_TO_THE_FEED_BACK),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("delivered_at", None), ("failed_at", None), ("feed_only", False), ("order", None)),
                fields=["client", "due_at", "id"],
                name="notice_due",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(
                    ("delivered_at", None),
                    ("failed_at", None),
                    ("feed_only", False),
                    ("order", None),
                    models.Q(("published_until__isnull", False), ("lease_until__isnull", False), _connector="OR"),
                ),
                fields=["client"],
                name="notice_out",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["delivering", "planned"])),
                fields=["client", "priority", "due_at", "id"],
                name="order_due",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["delivering", "planned"]),
                    models.Q(("published_until__isnull", False), ("lease_until__isnull", False), _connector="OR"),
                ),
                fields=["client"],
                name="order_out",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("cancelled_at", None), ("done_at", None)),
                fields=["kind", "priority", "due_at"],
                name="run_due",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(
                    ("cancelled_at", None),
                    ("done_at", None),
                    models.Q(("published_until__isnull", False), ("lease_until__isnull", False), _connector="OR"),
                ),
                fields=["kind"],
                name="run_out",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.UniqueConstraint(fields=("name", "labels"), name="one_row_per_tally"),
        ),
    ]
