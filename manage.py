#!/usr/bin/env python
"""Guardian's commands. Without DATABASE_URL they use the embedded database of the data directory."""

import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path

from dotenv import dotenv_values

NEED_NO_DATABASE = {
    "help",
    "version",
    "check",
    "makemigrations",
    "makemessages",
    "compilemessages",
    "collectstatic",
    "spectacular",
    "findstatic",
}


def have_standard_streams() -> None:
    """Some service managers start programs with these closed: the next file opened would take their numbers, and then
    be written to by whoever means to print."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def main(argv: list[str]) -> None:
    have_standard_streams()
    from django.core.exceptions import ImproperlyConfigured
    from environs import EnvError

    from moderation.standalone.datadir import DataDirError

    try:
        run(argv)
    except (ImproperlyConfigured, EnvError, DataDirError) as error:
        sys.exit(str(error))


def run(argv: list[str]) -> None:
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moderation.settings")
    file = Path(__file__).resolve().parent / ".env"
    settings = {name: value for name, value in {**dotenv_values(file), **os.environ}.items() if value}
    command = argv[1] if len(argv) > 1 else "help"
    if command in NEED_NO_DATABASE or {"--help", "-h", "--version"} & set(argv):
        if "SECRET_KEY" not in settings:
            os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
        execute_from_command_line(argv)
    elif command == "demo":
        # Until the command has taken over, there is nothing to end but this process, and no traceback to show.
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            signal.signal(number, lambda received, frame: os._exit(0))
        prepare_demo(argv, settings)
        execute_from_command_line(argv)
    elif "DATABASE_URL" in settings:
        execute_from_command_line(argv)
    else:
        with_embedded_database(argv, settings)


def prepare_demo(argv: list[str], settings: dict[str, str]) -> None:
    """The settings read the data directory before the command reads its options, so it is found and filled here."""
    from moderation import signing
    from moderation.standalone.datadir import DataDir

    for position, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name == "--data-dir" and (equals or argv[position + 1 :]):
            settings["GUARDIAN_HOME"] = value if equals else argv[position + 1]
    datadir = DataDir.locate(settings)
    os.environ["GUARDIAN_HOME"] = str(datadir.path)
    os.environ["GUARDIAN_DEMO"] = "1"  # its processes read the data directory, whatever else is set
    kept = datadir.load_or_create()
    api_key = kept.api_key if signing.split_api_key(kept.api_key) else signing.new_api_key()[2]
    demo = replace(kept, api_key=api_key, allow_loopback_webhooks=True)
    if demo != kept:
        datadir.save(demo)


def with_embedded_database(argv: list[str], settings: dict[str, str]) -> None:
    from django.conf import settings as configured
    from django.core.management import execute_from_command_line

    from moderation.standalone.datadir import DataDir
    from moderation.standalone.postgres import serve

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    datadir = DataDir.locate(settings)
    datadir.load_or_create()
    _ = configured.SECRET_KEY  # what must not start is refused before a server is
    with serve(datadir, own=False):
        execute_from_command_line(argv)


if __name__ == "__main__":
    main(sys.argv)
