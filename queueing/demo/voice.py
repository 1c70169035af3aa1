"""What the demo says: progress while it works, then one card for people or one line of JSON for programs."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sys
import time
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.control import Control
from rich.panel import Panel
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Person:
    """Somebody who can log in; `login_url` works once."""

    username: str
    password: str
    role: str
    login_url: str


@dataclass(frozen=True)
class Ready:
    """What a running demo offers: the contract's JSON, key by key."""

    url: str
    api_url: str
    console_url: str
    admin_url: str
    docs_url: str
    forum_url: str
    api_key: str
    webhook_secret: str
    users: list[Person]
    database: str
    broker: str | None
    analyst: str


class Voice:
    """Progress goes to stderr. `as_json`: stdout carries one line of JSON and nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._progress = Console(stderr=True, highlight=False, markup=False)
        self._started = self._step_began = time.monotonic()
        self._doing = ""

    @property
    def is_terminal(self) -> bool:
        """Does somebody watch stdout?"""
        return sys.stdout.isatty()

    def step(self, text: str) -> None:
        """A step begins; the one before has ended well."""
        self.end_step()
        self._doing, self._step_began = text, time.monotonic()
        if self._progress.is_terminal:
            self._progress.print(Text(f"  {text} …", style="dim"), end="\r")

    def end_step(self) -> None:
        if self._doing:
            self._progress.control(Control((ControlType.ERASE_IN_LINE, 2)))  # does nothing but on a terminal
            seconds = time.monotonic() - self._step_began
            mark = "✓" if self._progress.encoding.lower().startswith("utf") else "-"
            line = Text.assemble((mark, "green"), f" {self._doing} ", (f"{seconds:.1f} s", "dim"))
            self._progress.print(line, soft_wrap=True)
        self._doing = ""

    def count(self, done: int, total: int) -> None:
        """How far the present step is; shown on a terminal only."""
        if self._progress.is_terminal:
            self._progress.print(Text(f"  {self._doing} … {done}/{total}", style="dim"), end="\r")

    def say(self, text: str) -> None:
        self.end_step()
        self._progress.print(Text(text), soft_wrap=True)

    def ready(self, ready: Ready, *, log: str) -> None:
        """The card, or the line of JSON."""
        self.end_step()
        seconds = time.monotonic() - self._started
        if self._as_json:
            self.line(asdict(ready))
            self._progress.print(f"Ready at {ready.url} after {seconds:.1f} s; Ctrl-C ends it.", soft_wrap=True)
            return
        with contextlib.suppress(BrokenPipeError):
            card = Console(highlight=False, markup=False, width=None if self.is_terminal else 120)
            card.print(Panel(_card(ready), title="Guardian", subtitle=f"ready after {seconds:.1f} s", expand=False))
            _below(card, ready, log)
            sys.stdout.flush()

    def line(self, document: dict[str, object]) -> None:
        """One line of JSON on stdout."""
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            sys.stdout.flush()


def _card(ready: Ready) -> Table:
    card = Table.grid(padding=(0, 2))
    card.add_column(style="bold")
    card.add_column(overflow="fold")
    card.add_row("Console", ready.console_url)
    card.add_row("Forum", f"{ready.forum_url}  (the client app: post something rude there)")
    card.add_row("Admin", f"{ready.admin_url}  (supervisors)")
    card.add_row("API", f"{ready.docs_url}  (its documentation)")
    card.add_row("Database", re.sub(r"(//[^:/@]*):[^@]*@", r"\1:**@", ready.database))
    card.add_row("Work", f"RabbitMQ at {ready.broker}" if ready.broker else "in this process; no broker is needed")
    what = "Groq" if ready.analyst == "groq" else "built-in rules, not a model (set GROQ_API_KEY for one)"
    card.add_row("Analyst", what)
    for person in ready.users:
        card.add_row(person.username, f"{person.role}, password {person.password}")
    return card


def _below(card: Console, ready: Ready, log: str) -> None:
    """Outside the frame, and never wrapped: what people copy."""
    card.print("\nLog in with one click (each link works once):", style="bold")
    for person in ready.users:
        card.print(f"  {person.username:8} {person.login_url}", soft_wrap=True)
    body = json.dumps({"content_id": "hello-1", "author_id": "me", "text": "You are a loser!", "language": "en"})
    card.print("\nTry:", style="bold")
    card.print("  1. Open mia's link, claim the first case, decide. Ten seconds later the forum obeys.")
    card.print("  2. Open noah's link and look for a case that was rolled back: mia may not decide it twice.")
    card.print("  3. In the forum open a post that was removed, and appeal under its author's name.")
    card.print("  4. Send content over the API:")
    card.print(
        f"     curl -s {ready.api_url}cases/ -H 'Authorization: Bearer {ready.api_key}'"
        f" -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        soft_wrap=True,
    )
    if log:
        card.print(f"\nWhat the worker says: {log}", soft_wrap=True)
    card.print("\nCtrl-C ends it; everything stays. `manage.py demo --reset` starts afresh.")
