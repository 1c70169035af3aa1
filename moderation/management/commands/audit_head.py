"""`manage.py audit_head`: the audit chain's head, to be kept where nobody can write who can write this database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from moderation.errors import Unacceptable
from moderation.services.record import audit


class Command(BaseCommand):
    help = "Prints the audit chain's head as one line of JSON, to be kept elsewhere for verify_audit --head."

    def handle(self, **options: Any) -> None:
        while audit.seal():
            pass
        try:
            self.stdout.write(json.dumps(asdict(audit.head())))
        except Unacceptable as error:
            raise CommandError(error.detail) from error
