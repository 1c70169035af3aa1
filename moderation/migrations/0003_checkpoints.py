"""The agent's checkpoint tables, in a schema of their own.

Not atomic: the library builds indexes concurrently. Here and never at a worker's start: it needs the right to create
tables, and two set-ups at once fail (3 of 4 did).
"""

from django.conf import settings
from django.db import migrations

from agents import checkpoints


def set_up(apps, schema_editor):
    connection = schema_editor.connection
    connection.ensure_connection()
    checkpoints.set_up(connection.connection, settings.CHECKPOINT_SCHEMA)


def drop(apps, schema_editor):
    schema_editor.execute(f'DROP SCHEMA IF EXISTS "{settings.CHECKPOINT_SCHEMA}" CASCADE')


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("moderation", "0002_guards")]
    operations = [migrations.RunPython(set_up, drop)]
