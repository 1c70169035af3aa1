"""docs/audit.md is enough to check the history without our code: its own example does, with the standard library."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from moderation.models import Event, Report
from moderation.models.facts import FACTS
from moderation.services.record import audit
from moderation.tests.people import App
from moderation.tests.platform import Platform
from moderation.tests.test_audit import as_superuser
from moderation.tests.test_sealing import as_it_was
from moderation.tests.walking import walk

PAGE = (Path(settings.BASE_DIR) / "docs" / "audit.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where the page's program and its export stand."""
    (tmp_path / "check.py").write_text(blocks("python")[0])
    return tmp_path


def check(outside: Path) -> tuple[int, str]:
    with connection.cursor() as cursor:
        lines = []
        for query in blocks("sql"):
            cursor.execute(query)
            lines += [json.dumps(row[0], ensure_ascii=False) for row in cursor.fetchall()]
    (outside / "export.jsonl").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-I", "check.py", "export.jsonl"], cwd=outside, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def seal_all() -> None:
    while audit.seal():
        pass


def test_the_program_on_the_page_agrees_with_ours(client_app: App, platform: Platform, outside: Path) -> None:
    case_id = walk(client_app, platform)[0]
    client_app.start(report={"reporter_id": "Zoë 😀", "reason": 'A "quoted"\\ word,\n\t\u2028 and \x01.'})
    seal_all()
    head = audit.head()
    rows = Report.objects.count()
    assert check(outside) == (0, f"{head.entries} entries and {rows} rows hold; the head is {head.head}\n")
    as_superuser(f"UPDATE moderation_report SET reason = 'x' WHERE case_id = '{case_id}'")
    assert "is not what the history tells" in check(outside)[1]
    as_superuser("UPDATE moderation_event SET data = '{}' WHERE id = (SELECT min(id) FROM moderation_event)")
    assert check(outside) == (1, "entry 1 is not what was sealed\n")


def test_it_reads_a_chain_of_before_too(client_app: App, outside: Path) -> None:
    as_it_was(client_app)
    client_app.start(report={"reporter_id": "r", "reason": "x"})
    seal_all()
    assert check(outside)[1].startswith(f"{Event.objects.count()} entries and 4 rows hold")


def test_the_page_names_every_fact_with_its_columns_and_events() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("|")]
    table = {row[0]: row[1:] for row in rows}
    for name, fact in FACTS.items():
        _table, columns, told_by = table[name]
        assert columns.split() == list(fact.columns), name
        if name != "case_state":
            assert set(told_by.split(", ")) == fact.told_by, name
