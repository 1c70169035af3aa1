"""The operators' pages in docs/ speak of what is there: links, commands, settings, figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.test import Client as Browser

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
SETTINGS = re.compile(r"\b([A-Z]+_[A-Z_]+)\b")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_lead_somewhere_and_commands_and_settings_exist(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    commands = set(re.findall(r"manage\.py ([a-z_]+)", text)) - {"evaluate"}
    assert commands <= set(get_commands())
    known = (ROOT / ".env.example").read_text()
    assert {name for name in SETTINGS.findall(text) if not re.search(rf"\b{name}\b", known)} == set()


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES if f"docs/{page.name}" not in readme] == []


def test_every_figure_is_in_the_monitoring_page_and_none_besides(database: None) -> None:
    told = set(re.findall(r"^# TYPE (guardian_\w+)", Browser().get("/metrics").content.decode(), re.MULTILINE))
    named = set(re.findall(r"`(guardian_\w+)", (ROOT / "docs" / "monitoring.md").read_text()))
    assert told == named
