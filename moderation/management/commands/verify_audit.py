"""`manage.py verify_audit`: seals what is new in the history, then walks the whole chain."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError

from moderation.services.record import audit


class Command(BaseCommand):
    help = "Checks the audit chain; exit 1 and the first bad entry if it does not hold."

    def handle(self, **options: Any) -> None:
        try:
            while audit.seal():
                pass
            checked, broken = audit.verify()
        except ProgrammingError as error:
            raise CommandError("The database's tables are not up to date: run manage.py migrate first.") from error
        if broken is not None:
            where = f"Entry {broken.position}" if broken.position else "An entry"
            raise CommandError(f"The chain does not hold. {where} (event {broken.event_id}): {broken.why}.")
        self.stdout.write(f"{checked} entries, and the chain holds.")
