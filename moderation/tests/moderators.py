"""People at the console for the tests (a pytest plugin of the modules that need it), and a case they find there.

PYTEST_DONT_REWRITE: the modules that name it as a plugin have imported it before.
"""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from moderation.models import User
from moderation.tests.people import App, work


class Moderator:
    """Somebody at the console: reads the page's own forms and sends them back, as a browser does."""

    def __init__(self, user: User, *, htmx: bool = False) -> None:
        self.user = user
        self.browser = Browser(headers={"hx-request": "true"} if htmx else {})
        self.browser.force_login(user)

    def look(self, case_id: str) -> Any:
        return self.browser.get(f"/console/cases/{case_id}/")

    def do(self, verb: str, case_id: str, **fields: Any) -> Any:
        return self.browser.post(f"/console/cases/{case_id}/{verb}/", fields)

    def ticket(self, case_id: str) -> dict[str, str]:
        """The claim token and the version that stand in the page's form."""
        page = self.look(case_id).content.decode()
        return {name: hidden(page, name) for name in ("claim_token", "version")}

    def decide(self, case_id: str, **fields: Any) -> Any:
        said = {"outcome": "violation", "actions": ["remove_content"], "policies": ["harassment"], "reason": "Rude."}
        said |= {"note": "mine", **fields}
        if "claim_token" not in said:
            said = {**self.ticket(case_id), **said}
        return self.do("decide", case_id, **said)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


@pytest.fixture
def case_id(client_app: App) -> str:
    """A rude post that waits for review."""
    made = client_app.start()
    work()
    return made


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def lose_the_claim(case_id: str) -> None:
    sql("UPDATE moderation_case SET claim_until = now() - interval '1 second' WHERE id = %s", uuid.UUID(case_id))


def end_the_undo_window(case_id: str) -> None:
    sql("UPDATE moderation_run SET due_at = now() WHERE case_id = %s AND kind = 'resume'", uuid.UUID(case_id))


def queries(browser: Browser, path: str) -> int:
    browser.get(path)
    with CaptureQueriesContext(connection) as seen:
        assert browser.get(path).status_code == 200
    return len(seen)


def plain(answer: Any) -> str:
    return html.unescape(answer.content.decode())
