"""German and Spanish are whole, and what is compiled is what is written."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

LOCALE = Path(settings.BASE_DIR) / "moderation" / "locale"
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
MAKE = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure(LOCALE_PATHS=[Path("moderation/locale").resolve()])
import django
django.setup()
from django.core.management import call_command
call_command("makemessages", locale=[sys.argv[1]], verbosity=0)
"""
PLACE = re.compile(r"%\((\w+)\)[sd]")


def entries(code: str, locale: Path = LOCALE) -> list[tuple[list[str], list[str], str]]:
    """(msgid and its plural, the translations, flags) of every entry but the header."""
    found = []
    for block in (locale / code / "LC_MESSAGES" / "django.po").read_text().split("\n\n")[1:]:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        flags = " ".join(line for line in block.splitlines() if line.startswith("#,"))
        texts: dict[str, str] = {}
        name = ""
        for line in lines:
            if match := re.match(r"(msg\w+(?:\[\d\])?) (\".*)", line):
                name, line = match[1], match[2]
                texts[name] = ""
            texts[name] += line[1:-1]
        ids = [text for key, text in texts.items() if key.startswith("msgid")]
        strings = [text for key, text in texts.items() if key.startswith("msgstr")]
        if ids and not block.lstrip().startswith("#~"):
            found.append((ids, strings, flags))
    return found


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_is_translated(code: str) -> None:
    known = entries(code)
    assert len(known) > 150
    for ids, strings, flags in known:
        assert "fuzzy" not in flags, ids
        assert all(strings), ids
        places = [set(PLACE.findall(text)) for text in (ids[-1], *strings)]
        assert places[-1] == places[0], ids
        # A plural's singular may say “one” in words; nothing else may lose a place.
        assert places[1] <= places[0] if len(ids) == 2 else places[1] == places[0], ids


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_compiled_is_what_is_written(code: str) -> None:
    with (LOCALE / code / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for ids, strings, _ in entries(code):
        texts = [text.encode().decode("unicode_escape").encode("latin-1").decode() for text in (*ids, *strings)]
        if len(ids) == 1:
            assert compiled.gettext(texts[0]) == texts[1]
        else:
            assert [compiled.ngettext(texts[0], texts[1], n) for n in (1, 2)] == texts[2:4]


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs gettext's tools: apt-get install gettext")
@pytest.mark.parametrize("code", LANGUAGES)
def test_no_text_of_the_code_is_missing_from_the_catalogue(code: str, tmp_path: Path) -> None:
    for part in ("moderation", "templates"):
        ignored = shutil.ignore_patterns("tests", "__pycache__")
        shutil.copytree(Path(settings.BASE_DIR) / part, tmp_path / part, ignore=ignored)
    before = {tuple(ids) for ids, _, _ in entries(code)}
    subprocess.run([sys.executable, "-c", MAKE, code], cwd=tmp_path, check=True, capture_output=True, text=True)
    after = {tuple(ids) for ids, _, _ in entries(code, tmp_path / "moderation" / "locale")}
    mend = "manage.py makemessages -l de -l es --ignore .venv --no-location; translate; compilemessages --ignore .venv"
    assert after - before == set(), f"run: {mend}"
