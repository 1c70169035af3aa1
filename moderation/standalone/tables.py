"""The tables of the data directory's database: whoever comes first to a new one, or after an upgrade, migrates it."""

from __future__ import annotations

from moderation.standalone.cluster import Progress
from moderation.standalone.datadir import DataDir, flock


def bring_up_to_date(datadir: DataDir, progress: Progress = lambda text: None) -> None:
    """Apply the migrations that are missing. Commands that begin at the same time wait for one another."""
    import django
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    if not apps.ready:
        django.setup()

    def are_behind() -> bool:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))

    try:
        if are_behind():
            with flock(datadir.path / "migrate.lock"):
                if are_behind():
                    progress("Preparing the tables")
                    call_command("migrate", verbosity=0, interactive=False)
    finally:
        connection.close()
