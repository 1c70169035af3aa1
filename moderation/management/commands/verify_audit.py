"""`manage.py verify_audit`: seals what is new in the history, then walks the whole chain and every case."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from moderation.errors import Unacceptable
from moderation.services.record import audit


class Command(BaseCommand):
    help = (
        "Checks the audit chain and the rows it covers; exit 1 and the first bad or missing entry if it does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head", metavar="FILE", help="a head that `audit_head` printed once: the chain still has it"
        )

    def handle(self, *, head: str | None = None, **options: Any) -> None:
        kept = _kept(head) if head else None
        while audit.seal():
            pass
        checked, broken = audit.verify(kept)
        if broken is not None:
            raise CommandError(f"The chain does not hold. {broken}")
        self.stdout.write(f"{checked} entries, and the chain holds.")


def _kept(path: str) -> audit.Kept:
    try:
        return audit.Kept.parse(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    except Unacceptable as error:
        raise CommandError(f"{path}: {error.detail}") from error
