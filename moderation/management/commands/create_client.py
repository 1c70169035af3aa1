"""`manage.py create_client NAME`: a client app with its key and its webhook secret, shown this once."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from moderation.errors import ModerationError
from moderation.models import Scope
from moderation.rights import Actor
from moderation.services.desk import clients


class Command(BaseCommand):
    help = "Makes a client app and prints its API key and webhook secret, which are shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--webhook-url", default="", help="where its orders go; without one it fetches them itself")
        parser.add_argument("--scopes", help=f"comma-separated; all unless given: {', '.join(Scope.values)}")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, **options: Any) -> None:
        scopes = None
        if options["scopes"] is not None:
            scopes = list(dict.fromkeys(scope.strip() for scope in options["scopes"].split(",") if scope.strip()))
            if not scopes:
                raise CommandError(f"Name at least one scope, or leave --scopes out. Known: {', '.join(Scope.values)}.")
        try:
            by = Actor.operator()
            new = clients.create(options["name"], by=by, webhook_url=options["webhook_url"], scopes=scopes)
        except ModerationError as error:
            raise CommandError(error.detail) from error
        said = {"client": new.client.name, "api_key": new.api_key, "webhook_secret": new.webhook_secret}
        if options["json"]:
            self.stdout.write(json.dumps(said, ensure_ascii=False))
            return
        self.stdout.write(f"Client:         {said['client']}")
        self.stdout.write(f"API key:        {said['api_key']}")
        self.stdout.write(f"Webhook secret: {said['webhook_secret']}")
        self.stdout.write("Keep both now: the key is not shown again.")
