#!/usr/bin/env python
"""Guardian's commands. Without DATABASE_URL they use the embedded database of the data directory."""

import os
import secrets
import signal
import sys
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


def main(argv: list[str]) -> None:
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moderation.settings")
    file = Path(__file__).resolve().parent / ".env"
    settings = {name: value for name, value in {**dotenv_values(file), **os.environ}.items() if value}
    command = argv[1] if len(argv) > 1 else "help"
    if command == "demo":
        # The settings read the data directory before the command reads its options.
        for position, argument in enumerate(argv):
            name, equals, value = argument.partition("=")
            if name == "--data-dir" and (equals or argv[position + 1 :]):
                os.environ["GUARDIAN_HOME"] = value if equals else argv[position + 1]
        execute_from_command_line(argv)
    elif command in NEED_NO_DATABASE or {"--help", "-h", "--version"} & set(argv):
        if "SECRET_KEY" not in settings:
            os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
        execute_from_command_line(argv)
    elif "DATABASE_URL" in settings:
        execute_from_command_line(argv)
    else:
        with_embedded_database(argv, settings)


def with_embedded_database(argv: list[str], settings: dict[str, str]) -> None:
    from django.core.management import execute_from_command_line

    from moderation.datadir import DataDir, DataDirError
    from moderation.embedded_postgres import serve

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    try:
        with serve(DataDir.locate(settings), own=False):
            execute_from_command_line(argv)
    except DataDirError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv)
