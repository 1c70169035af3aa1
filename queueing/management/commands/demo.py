"""`manage.py demo`: everything in one process, on this machine, with something to look at.

The order of things: the port first, so that a taken one is known at once; then the database, the tables, the people;
then the web server and the postman; then the posts, which need both. What is begun is ended in the opposite order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Never

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.table import Table

from moderation.database_away import knock, sentence
from moderation.demo.client import GuardianError
from moderation.models import Client
from moderation.standalone.datadir import DataDirError, Secrets
from moderation.standalone.postgres import EmbeddedPostgres, serve
from moderation.standalone.tables import bring_up_to_date
from queueing.demo import (
    accounts,
    once,
    reset,
    seed,
    web_server,
)
from queueing.demo.postman import LOG, Children, at_work, masked_broker
from queueing.demo.stopping import Stop, Stopping, end_children
from queueing.demo.voice import Person, Ready, Voice

LOOK_AFTER_CHILDREN_SECONDS = 1.0


class Command(BaseCommand):
    help = "Runs all of Guardian on this machine: database, agent, web server and a forum as its client app."
    requires_system_checks: list[str] = []  # they would import the URLconf before DEMO is settled

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # manage.py reads --data-dir before this parser does, and knows no abbreviations.
        return super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="an address of this machine itself (127.0.0.1)")
        parser.add_argument("--port", type=int, help="8000, then the next free one, unless given; 0: any free one")
        parser.add_argument("--data-dir", help="where everything is kept ($GUARDIAN_HOME, else ~/.guardian)")
        parser.add_argument("--reset", action="store_true", help="empty the data first; the keys stay")
        parser.add_argument("--no-seed", action="store_true", help="leave out the invented posts")
        parser.add_argument("--json", action="store_true", help="one line of JSON on stdout when ready")
        parser.add_argument(
            "--uninstall", action="store_true", help="remove what the demo left on this machine, and end"
        )
        parser.add_argument("--once", action="store_true", help="take one case through its life, print it, and end")

    def handle(self, **options: Any) -> None:
        stopping = Stopping()
        voice = Voice(as_json=options["json"])
        logging.getLogger().setLevel(logging.WARNING)
        code = 0
        try:
            with stopping.on_signals():
                try:
                    code = Demo(voice, stopping, options).run()
                except (DataDirError, web_server.CannotListen, once.DidNotHold) as error:
                    raise CommandError(str(error)) from error
        except Stop:
            pass  # it came at the first or the last moment in which it could
        except CommandError as error:
            voice.say(f"{error}")
            code = 1
        end_children()
        leave(code if stopping.code is None else stopping.code)


class Demo:
    """One run of the demo."""

    def __init__(self, voice: Voice, stopping: Stopping, options: dict[str, Any]) -> None:
        self._voice = voice
        self._stopping = stopping
        self._postgres: EmbeddedPostgres | None = None
        self._options = options

    def run(self) -> int:
        """Until somebody ends it (raises Stop), or, with --once, until the case is through; answers the exit code."""
        if settings.PUBLIC:
            raise CommandError(
                "ALLOWED_HOSTS names a public host, and the demo is for this machine only: unset it for the demo."
            )
        with contextlib.ExitStack() as stack:
            stack.enter_context(settings.DATA_DIR.hold())
            server = None
            if not self._options["once"]:
                server = web_server.bind(self._options["host"], self._options["port"])
                stack.callback(server.socket.close)
            if not settings.DATABASE_URL:
                self._postgres = stack.enter_context(serve(settings.DATA_DIR, self._step, own=True))
            stack.enter_context(in_plain_words())
            stack.callback(self._stopping.wind_down)
            self._prepare_database()
            secrets = settings.DATA_DIR.load_or_create()
            return self._serve(server, secrets) if server is not None else self._once(secrets)

    def _prepare_database(self) -> None:
        knock()
        if self._options["reset"]:
            self._step("Emptying the database")
            where = f"{connection.settings_dict['NAME']} of DATABASE_URL" if settings.DATABASE_URL else "of the demo"
            tables = reset.drop_everything()
            self._voice.say(f"Dropped Guardian's own {tables} tables in the database {where}, and nothing else.")
        bring_up_to_date(settings.DATA_DIR, self._step)

    def _serve(self, server: web_server.WebServer, secrets: Secrets) -> int:
        _switch_forum_on(server.url, secrets)
        settings.DATA_DIR.announce(server.url)
        self._step("Making the people and the forum")
        people = accounts.have_people(secrets)
        forum = accounts.have_forum(secrets, url=server.url)
        self._step("Starting the web server")
        server.start()
        with contextlib.ExitStack() as stack:
            stack.callback(server.stop)
            postman = stack.enter_context(at_work())
            stack.callback(self._stopping.wind_down)
            if not self._options["no_seed"]:
                self._seed(forum)
            connection.close()
            ready = _ready(server.url, secrets, people)
            self._voice.ready(ready, log=str(settings.DATA_DIR.path / LOG) if settings.BROKER_URL else "")
            while True:
                self._stopping.wait(LOOK_AFTER_CHILDREN_SECONDS)
                if self._postgres is not None and not self._postgres.running():
                    self._voice.say("PostgreSQL has ended; starting it again. Nothing that was accepted is lost.")
                    self._postgres.start()
                if isinstance(postman, Children):
                    postman.check()

    def _seed(self, forum: Any) -> None:
        from moderation.demo.views import guardian

        left = seed.sow(guardian(), forum, step=self._step, progress=self._voice.count, check=self._stopping.check)
        if left:
            self._voice.say(f"{left} of the posts are still on their way; the next start goes on with their stories.")

    def _once(self, secrets: Secrets) -> int:
        platform = once.Platform(secrets.webhook_secret)
        client = once.client_for(platform.url, secrets)
        journey = once.Journey(client, platform, self._stopping.check)
        with contextlib.ExitStack() as stack:
            stack.callback(platform.close)
            self._step("Taking one case through its life")
            stack.enter_context(at_work())
            stack.callback(self._stopping.wind_down)
            reason = ""
            try:
                journey.walk()
            except once.DidNotHold as error:
                reason = str(error)
            Client.objects.filter(name=once.NAME).update(is_active=False)  # its address is gone with this process
            self._voice.end_step()
            self._tell(journey.steps, reason)
        return 1 if reason else 0

    def _tell(self, steps: list[once.Step], reason: str) -> None:
        if self._options["json"]:
            self._voice.line({"ok": not reason, "reason": reason or None, "steps": [asdict(step) for step in steps]})
            return
        table = Table("Step", "Held", "How the case stands", "Seconds", title="One case, start to finish")
        for step in steps:
            table.add_row(step.step, "yes" if step.held else "NO", step.detail, f"{step.seconds:.2f}")
        Console(highlight=False, markup=False, width=None if self._voice.is_terminal else 120).print(table)
        if reason:
            self._voice.say(reason)

    def _step(self, text: str) -> None:
        self._stopping.check()
        self._voice.step(text)


@contextlib.contextmanager
def in_plain_words() -> Iterator[None]:
    """Raises CommandError for what is no mistake of ours; while the database still runs, so that it can be asked."""
    try:
        yield
    except GuardianError as error:
        raise CommandError(f"The posts could not be sown: {error.detail}") from error
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        raise CommandError(said) from error


def _switch_forum_on(url: str, secrets: Secrets) -> None:
    """The one place where settings change after they were loaded: the port is known only now. Nothing has looked at
    them yet, as the first request is what imports the URLconf, which asks whether this is a demo."""
    settings.FORUM_API_URL = f"{url}/api/v1/"
    settings.FORUM_API_KEY = secrets.api_key
    settings.FORUM_WEBHOOK_SECRET = secrets.webhook_secret
    settings.DEMO = True


def _ready(url: str, secrets: Secrets, people: list[Any]) -> Ready:
    from moderation.console.login_links import link_for

    return Ready(
        url=url,
        api_url=f"{url}/api/v1/",
        console_url=f"{url}/console/",
        admin_url=f"{url}/admin/",
        docs_url=f"{url}/api/docs/",
        forum_url=f"{url}/demo/",
        api_key=secrets.api_key,
        webhook_secret=secrets.webhook_secret,
        users=[
            Person(
                username=user.username,
                password=accounts.password_of(user.username, secrets),
                role=user.role,
                login_url=url + link_for(user),
            )
            for user in people
        ],
        database=settings.DATABASE_URL or settings.DATA_DIR.database_url(),
        broker=masked_broker(),
        analyst="groq" if settings.AGENT["GROQ_API_KEY"] else "rules",
    )


def leave(code: int) -> Never:
    """End now. Threads that wait for a model or an endpoint would hold the ordinary end up for half a minute; what they
    had in hand is offered again at the next start, and everything else has been ended by now."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
