"""`manage.py audit_head`: the audit chain's head, to be kept where nobody can write who can write this database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError

from moderation.services.record import audit


class Command(BaseCommand):
    help = "Prints the audit chain's head as one line of JSON, to be kept elsewhere for verify_audit --head."

    def handle(self, **options: Any) -> None:
        try:
            while audit.seal():
                pass
            self.stdout.write(json.dumps(asdict(audit.head())))
        except ProgrammingError as error:
            raise CommandError("The database's tables are not up to date: run manage.py migrate first.") from error
