"""Hostile text in the console is shown, and never becomes markup."""

from __future__ import annotations

import html
import re

from pytest_django import Settings

from moderation.console.words.visible import pieces, true_spans
from moderation.models import Assessment, Run
from moderation.tests.hostile import HOSTILE
from moderation.tests.moderators import Moderator
from moderation.tests.people import App, ana, work

pytest_plugins = ["moderation.tests.moderators"]


def test_hostile_text_is_shown_and_never_becomes_markup(client_app: App) -> None:
    moderator = Moderator(ana())
    for text in HOSTILE:
        case_id = client_app.start(
            f"loser {text}",
            content_id=f"c {text}",
            author_id=text,
            context={"note": text},
            report={"reporter_id": text, "reason": text},
        )
        work()
        about = {"summary": text, "doubts": [text], "flags": [text], "model": text[:100], "analyst": text[:40]}
        Assessment.objects.filter(case=case_id).update(**about)
        queue = moderator.browser.get("/console/").content.decode()
        moderator.do("claim", case_id)
        refused = moderator.decide(case_id, note=text, reason=text, outcome="").content.decode()
        moderator.decide(case_id, note=text, reason=text)
        Run.objects.filter(kind="resume").update(last_error=text)
        for page in (queue, refused, moderator.look(case_id).content.decode()):
            for tag in re.findall(r"<(?:script|img|iframe|base|style|object|form|a|button|div)\b[^>]*>", page):
                assert not re.search(r"alert\(|evil|srcdoc|data-hx-on", tag), text
            assert not re.search(r"<[^>]*\s(?:style|on\w+)=", page), text
            assert page.count('id="case"') <= 1, text
            assert "<" not in text or text not in page
            shown = html.unescape(re.sub(r"<[^>]*>", "", page))
            assert re.sub(r"\s+", " ", text) in re.sub(r"\s+", " ", shown), text


def test_nothing_is_marked_safe_and_no_template_turns_escaping_off(settings: Settings) -> None:
    for place, pattern in (("templates", "*.html"), ("moderation/console", "*.py"), ("moderation/admin", "*.py")):
        for file in (settings.BASE_DIR / place).rglob(pattern):
            source = file.read_text()
            assert not re.search(r"\|\s*safe\b|autoescape off|mark_safe|<script>|\sstyle=|\son\w+=\"", source), file


def test_hidden_characters_become_chips_and_quotes_become_marks() -> None:
    text = "a\u202eb\u200b\u200bc \U000e0068\U000e0069 tab\there\r\nnext \u2028"
    shown = pieces(text)
    assert [piece.chip for piece in shown if piece.chip] == ["RLO", "ZWSP ×2", "TAG “hi”", "LS"]
    assert "".join(piece.text for piece in shown) == "abc  tab\there\nnext "
    assert "RIGHT-TO-LEFT OVERRIDE (U+202E)" in {piece.title for piece in shown}
    family = "👨\u200d👩\u200d👧 ❤\ufe0f"
    assert [piece.text for piece in pieces(family)] == [family]
    marked = pieces("one two three", [(4, 7), (0, 5)])
    assert [(piece.text, piece.marked) for piece in marked] == [("one t", True), ("wo", True), (" three", False)]
    quotes = [
        {"start": 4, "end": 7, "text": "two"},
        {"start": 0, "end": 3, "text": "two"},
        {"start": -3, "end": 99, "text": "x"},
    ]
    assert true_spans("one two three", quotes) == ([(4, 7)], ["two", "x"])


def test_an_invented_quote_is_struck_out(case_id: str) -> None:
    assessment = Assessment.objects.get()
    assessment.findings[0]["quotes"].append({"start": 0, "end": 4, "text": "Nope"})
    assessment.save()
    page = Moderator(ana()).look(case_id).content.decode()
    assert "<mark>loser</mark>" in page
    assert re.search(r"<s dir=\"auto\">Nope</s>", page)


def test_a_long_text_of_hidden_characters_is_still_drawn_quickly(client_app: App) -> None:
    case_id = client_app.start("\u200b\u200c" * 10_000)
    work()
    assert Moderator(ana()).look(case_id).status_code == 200
