"""Django's `createsuperuser`, which here makes a supervisor, by the same rules for names and with an event."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db.models import Max

from moderation.errors import ModerationError
from moderation.models import User
from moderation.rights import Actor
from moderation.services.desk import people


class Command(createsuperuser.Command):
    help = "Makes a supervisor who also stands above the others: only another one can change the account."

    def handle(self, *args: Any, **options: Any) -> None:
        last = User.objects.aggregate(last=Max("pk"))["last"] or 0
        super().handle(*args, **options)
        for user in User.objects.filter(pk__gt=last, is_superuser=True):
            people.tell_of(user, by=Actor.operator())

    def _validate_username(self, username: str, verbose_field_name: str, database: str) -> str | None:
        said: str | None = super()._validate_username(username, verbose_field_name, database)  # type: ignore[misc]
        if said:
            return said
        try:
            people.free_name(username)
        except ModerationError as error:
            return f"Error: {error.detail}"
        return None
