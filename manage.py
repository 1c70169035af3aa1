#!/usr/bin/env python
"""Guardian's commands. Without DATABASE_URL they use the embedded database of the data directory."""

# Nothing that takes time is imported up here: a Ctrl-C must find `main` at work, or it ends in a traceback.
import contextlib
import os
import sys
from collections.abc import Iterator

NEED_NO_DATABASE = {
    "help",
    "version",
    "check",
    "makemigrations",
    "makemessages",
    "compilemessages",
    "collectstatic",
    "diffsettings",
    "spectacular",
    "findstatic",
}
TELL_OF_THE_DATABASE = {"doctor"}
MIGRATE_THEMSELVES = {"migrate", "showmigrations", "sqlmigrate"}
INTERRUPTED = 130


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
    if argv[1:2] == ["demo"]:
        end_at_once_when_asked()
    have_standard_streams()
    from django.core.exceptions import ImproperlyConfigured
    from environs import EnvError

    from moderation.standalone.datadir import DataDirError

    try:
        run(argv)
    except (ImproperlyConfigured, EnvError, DataDirError) as error:
        sys.exit(str(error))


def end_at_once_when_asked() -> None:
    """Until the demo has taken over, there is nothing to end but this process, and no traceback to show."""
    import signal

    signal.signal(signal.SIGINT, lambda received, frame: os._exit(INTERRUPTED))
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda received, frame: os._exit(0))


def run(argv: list[str]) -> None:
    import secrets
    from pathlib import Path

    from django.core.management import execute_from_command_line
    from dotenv import dotenv_values

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moderation.settings")
    file = Path(__file__).resolve().parent / ".env"
    settings = {name: value for name, value in {**dotenv_values(file), **os.environ}.items() if value}
    command = argv[1] if len(argv) > 1 else "help"
    if command in NEED_NO_DATABASE or {"--help", "-h", "--version"} & set(argv):
        if "SECRET_KEY" not in settings:
            os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
        execute_from_command_line(argv)
    elif command == "demo" and "--uninstall" in argv:
        from moderation.standalone.uninstall import main as uninstall

        uninstall(argv[2:], settings)
    elif command == "demo":
        prepare_demo(argv, settings)
        with in_one_sentence():
            execute_from_command_line(argv)
    elif "DATABASE_URL" in settings:
        with in_one_sentence():
            if command not in TELL_OF_THE_DATABASE:
                from moderation.database_away import knock

                knock()
            execute_from_command_line(argv)
    else:
        with_embedded_database(argv, settings)


@contextlib.contextmanager
def in_one_sentence() -> Iterator[None]:
    """A database that is away, full or closed to us is told in a sentence; every other error is a bug and shown."""
    import logging

    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # of its tries only the end is told, once
    try:
        yield
    except Exception as error:
        from moderation.database_away import sentence

        said = sentence(error)
        if said is None:
            raise
        sys.exit(said)


def prepare_demo(argv: list[str], settings: dict[str, str]) -> None:
    """The settings read the data directory before the command reads its options, so it is found and filled here."""
    from dataclasses import replace

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
    import signal

    from django.conf import settings as configured
    from django.core.management import execute_from_command_line

    from moderation.standalone.datadir import DataDir
    from moderation.standalone.postgres import serve
    from moderation.standalone.tables import bring_up_to_date

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    datadir = DataDir.locate(settings)
    datadir.load_or_create()
    _ = configured.SECRET_KEY  # what must not start is refused before a server is
    with serve(datadir, own=False), in_one_sentence():
        if argv[1] not in MIGRATE_THEMSELVES:
            bring_up_to_date(datadir)
        execute_from_command_line(argv)


if __name__ == "__main__":
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
