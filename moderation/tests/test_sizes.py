"""What one reads stays readable: no line of a template is over 160 characters, no test file over 400 lines."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_line_of_a_template_is_over_160_characters() -> None:
    pages = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("queueing/**/*.html")]
    long = {
        f"{page.relative_to(ROOT)}:{number}"
        for page in pages
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if len(line) > 160
    }
    assert pages
    assert long == set()


def test_no_test_file_is_over_400_lines() -> None:
    tests = [path for room in ("agents", "moderation", "queueing") for path in ROOT.glob(f"{room}/tests/**/*.py")]
    assert tests
    assert {str(path.relative_to(ROOT)) for path in tests if len(path.read_text().splitlines()) > 400} == set()
