"""The real Groq analyst in front of the scripted server."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents.assessors.breaker import Breaker
from agents.assessors.groq import GroqAssessor
from agents.contract import Assessment
from agents.tests.cases import GOOD, brief
from agents.tests.stub_groq import Reply, StubGroq, verdict

SMALL, LARGE = "openai/gpt-oss-20b", "openai/gpt-oss-120b"
KEY = "gsk_stub_key_that_must_never_show"
RUDE = {
    "policy": "rudeness",
    "confidence": 0.9,
    "quotes": ["turnip-head"],
    "rationale": "It calls somebody a vegetable.",
}


@functools.cache
def _live() -> StubGroq:
    """One server for the whole session: an analyst's clients take 0.15 s to build, and are bound to its address."""
    return StubGroq().__enter__()


@contextmanager
def scripted(*replies: Reply, by_model: dict[str, Reply] | None = None) -> Iterator[StubGroq]:
    """The server with a new script and no memory."""
    stub = _live()
    stub.replies, stub.by_model, stub.requests, stub.headers = list(replies), by_model or {}, [], []
    yield stub


@functools.cache
def _built(url: str, models: tuple[str, ...], timeout: float) -> GroqAssessor:
    return GroqAssessor(KEY, url, models, timeout)


def analyst(stub: StubGroq, *models: str, timeout: float = 5.0) -> GroqAssessor:
    judge = _built(stub.url, models or (SMALL, LARGE), timeout)
    for rung in judge._rungs:
        rung.breaker = Breaker()
    return judge


def ask(*replies: Reply, text: str = GOOD, **changes: Any) -> Assessment:
    with scripted(*replies) as stub:
        return analyst(stub).assess(brief(text, **changes))


def violation(**fields: Any) -> Reply:
    given = {"verdict": "violation", "confidence": 0.93, "severity": "low", "findings": [RUDE]}
    return verdict(**{**given, "recommended_actions": ["remove_content"], **fields})
