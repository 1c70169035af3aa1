"""`manage.py doctor`: is everything there, and does it work?"""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand

from queueing import checkup


class Command(BaseCommand):
    help = "Checks every part of this installation; one line each, the mend beside each failure; exit 1 if any fails."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # its own retries are not findings
        healthy = True
        for finding in checkup.look_at_everything():
            self.stdout.write(str(finding), self.style.SUCCESS if finding.ok else self.style.ERROR)
            healthy = healthy and finding.ok
        if not healthy:
            sys.exit(1)
