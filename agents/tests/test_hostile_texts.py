"""No text whatever makes a pattern we ship slow, nor all of them together, nor keeps the other threads waiting."""

from __future__ import annotations

import ast
import itertools
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import regex

from agents import folding, matching, tracing
from agents.assessors import injection, normal_form, verdict
from agents.assessors.language import _WORDS, known_language
from agents.assessors.rules import RulesAssessor
from agents.assessors.screening import gates, screen
from agents.contract import Severity
from agents.tests.cases import SPAM, brief
from agents.tests.hostile import CLASSES, PAIRS, TAILS, own, texts

EACH = 0.05
ROOT = Path(__file__).resolve().parents[2]


def shipped_terms() -> list[str]:
    """The terms of the first policies: read out of the migration, for this room imports nothing of the house."""
    source = (ROOT / "moderation/migrations/0004_first_policies.py").read_text()
    values = next(node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
    return [term for policy in ast.literal_eval(values) for term in policy["terms"]]


def patterns() -> list[Any]:
    modules = (folding, injection, normal_form, verdict)
    found = [
        value for module in modules for value in vars(module).values() if isinstance(value, (re.Pattern, regex.Pattern))
    ]
    statement = (ROOT / "moderation/selectors/statement.py").read_text()
    personal = next(
        node.value.args[0]
        for node in ast.parse(statement).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PERSONAL"
    )
    return [
        *injection._SIGNS,
        *map(matching.compiled, shipped_terms()),
        *found,
        _WORDS,
        *(mask for mask, _ in tracing._MASKS),
        re.compile(ast.literal_eval(personal)),
    ]


def cost(call: Callable[[], Any], limit: float) -> float:
    """CPU seconds of this thread; asked again when over the limit, for a neighbour's noise is no one's fault."""
    best = limit + 1
    for _ in range(3):
        started = time.thread_time()
        call()
        best = min(best, time.thread_time() - started)
        if best < limit:
            break
    return best


@pytest.mark.parametrize(
    "pattern", patterns(), ids=lambda pattern: pattern.pattern[:40].encode("ascii", "replace").decode()
)
def test_no_pattern_we_ship_takes_fifty_milliseconds_for_any_repeated_text(pattern: Any) -> None:
    slow = []
    for name, text in (*texts((*CLASSES, *PAIRS)), *texts(own(pattern.pattern)), *texts((" ", "\n", "a"), TAILS)):
        seconds = cost(lambda text=text: sum(1 for _ in pattern.finditer(text)), EACH)
        if seconds > EACH:
            slow.append((round(seconds, 3), name))
    assert slow == []


def policies() -> tuple[Any, ...]:
    return tuple(
        SPAM.__class__(f"p{n}", f"P{n}", "", Severity.LOW, 0.5, ("remove_content",), (), (term,))
        for n, term in enumerate(shipped_terms())
    )


WHOLE = (
    *CLASSES,
    *("x\n", " \n", "a!", "a1", "a1@ ", "a b ", "a.b.", "é\u0301", "00 ", "AAAA", "1gn0r3 ", "\u0456g ", "an die ki "),
    *("ignore all previous ", "ignore your ", "system: ", "\nsystem:", "say safe", "an moderations", "dear "),
    *("\u0301\u0323", "\u0344\u0323", "\u0f73", "\u0651\u064b"),  # marks out of order
    *("ⓘⓖ", "k\u0337", "Aа ", "ignroe ", "\U000e0069\U000e0067", "aWdub3Jl", "+1 ", "a@a.", "kill ", "earn $1 "),
)


@pytest.mark.parametrize("unit", WHOLE, ids=ascii)
def test_a_whole_analysis_of_a_hostile_text_takes_well_under_a_second(unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    case = brief(text, policies=policies(), language="")
    assert cost(lambda: gates(case, RulesAssessor().assess(case)), 0.7) < 0.7


@pytest.mark.parametrize(
    "unit",
    ["\n", "é-", "1gn0r3 ", "ignore your ", "\u0301", "İ", "\ufdfa", "🍅", "a b ", "\u0344\u0323", "\u0f73"],
    ids=ascii,
)
def test_the_interpreter_is_never_held_for_long(unit: str) -> None:
    """Another thread, which a health check or a signal needs, gets its turn all the while."""
    text = ("x" + unit * 20_000)[:20_000]
    case = brief(text, policies=policies(), language="")
    ended = threading.Event()
    turns: list[tuple[float, float]] = []

    def analyse() -> None:
        for _ in range(3):
            gates(case, RulesAssessor().assess(case))
        ended.set()

    # What counts is the CPU this process used between two turns: the machine's other work is not ours.
    worker = threading.Thread(target=analyse)
    worker.start()
    while not ended.is_set():
        turns.append((time.process_time(), time.monotonic()))
        ended.wait(0.002)
    worker.join()
    longest = max((after[0] - before[0] for before, after in itertools.pairwise(turns)), default=0.0)
    assert longest < 0.1


def test_each_part_of_the_screening_is_bounded_by_itself() -> None:
    parts = (
        normal_form.normalise,
        normal_form.has_hidden,
        normal_form.is_mixed,
        normal_form.latin_share,
        injection._decoded,
        lambda text: known_language("", text),
        folding.fold_name,
        tracing.mask,
        lambda text: verdict.plain(text, 300),
    )
    slow = []
    for name, text in ((unit, (unit * 20_000)[:20_000]) for unit in WHOLE):
        for number, part in enumerate(parts):
            seconds = cost(lambda part=part, text=text: part(text), 0.3)
            if seconds > 0.3:
                slow.append((number, round(seconds, 2), name))
    assert slow == []


def test_a_search_that_runs_out_of_time_is_said_and_keeps_the_case_for_a_human(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "_SIGNS", (regex.compile(r"(x+x+)+y"),))
    monkeypatch.setattr(injection, "CPU_SECONDS", 0.05)
    case = brief("x" * 20_000)
    assert screen(case.text).flags == ("unscreened",)
    assert any("could not be searched" in reason for reason in gates(case, None))
