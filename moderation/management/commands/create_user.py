"""`manage.py create_user NAME --role ROLE`: somebody who works here, and the link to set their password."""

from __future__ import annotations

import json
import unicodedata
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from moderation.errors import ModerationError
from moderation.models import Role, User
from moderation.rights import Actor
from moderation.services.desk import people


class Command(BaseCommand):
    help = "Makes a moderator or a supervisor and prints a one-time link to set the password. Run again: a new link."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--email", default="")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, **options: Any) -> None:
        try:
            if options["email"]:
                User._meta.get_field("email").run_validators(options["email"])  # its length, too
            user, token = self._invite(options["name"].strip(), options["role"], options["email"])
        except ValidationError as error:
            raise CommandError(f"{options['email']} is no e-mail address.") from error
        except ModerationError as error:
            raise CommandError(error.detail) from error
        base = settings.PUBLIC_URL or settings.DATA_DIR.demo_url()
        url = base + reverse("set_password", kwargs={"token": token})
        if options["json"]:
            said = {"username": user.username, "role": user.role, "set_password_url": url}
            self.stdout.write(json.dumps(said, ensure_ascii=False))
            return
        self.stdout.write(f"{user.username} ({user.role}) sets a password here, once, within 72 hours:")
        self.stdout.write(url)
        if not base:
            self.stdout.write("That is a path at this installation's address: set PUBLIC_URL to have it printed whole.")

    @transaction.atomic
    def _invite(self, name: str, role: str, email: str) -> tuple[User, str]:
        by = Actor.operator()
        name = unicodedata.normalize("NFKC", name)  # as names are stored
        user = User.objects.filter(username=name).first()
        if user is None:
            user = people.create(name, by=by, role=role, email=email)
        elif user.has_usable_password():
            raise CommandError(f"{name} is there already and has a password; a supervisor can change it in /admin/.")
        elif not user.is_active:
            raise CommandError(f"{name} is there already, and closed; a supervisor can open the account in /admin/.")
        elif user.role != role:
            raise CommandError(f"{name} is there already, as {user.role}; a supervisor can change that in /admin/.")
        return user, people.link(user.pk, by=by)
