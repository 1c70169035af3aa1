"""The few policies and briefs the agent's tests speak about. Invented; a forum for gardeners with odd rules."""

from __future__ import annotations

from typing import Any

from agents.contract import Assessment, Brief, PolicyBrief, Severity

SPAM = PolicyBrief(
    slug="spam",
    title="Spam",
    text="No advertising for miracle products.",
    severity=Severity.MEDIUM,
    threshold=0.8,
    actions=("hide_content", "warn_author"),
    terms=(r"miracle\s+fertili[sz]er", r"buy\s+now"),
)
RUDE = PolicyBrief(
    slug="rudeness",
    title="Rudeness",
    text="No insults among gardeners.",
    severity=Severity.HIGH,
    threshold=0.85,
    actions=("remove_content",),
    terms=(r"\bturnip[- ]?head\b",),
)
GOOD = "The tomatoes in my garden are doing well and I am happy with them this year."
BAD = "You are a turnip-head, and a turnip-head you will stay."


def brief(text: str = GOOD, **changes: Any) -> Brief:
    """A brief with both policies, in English, reported by nobody."""
    fields: dict[str, Any] = {
        "case_id": "0190-case",
        "round": 1,
        "text": text,
        "content_type": "comment",
        "language": "en",
        "policies": (SPAM, RUDE),
    }
    return Brief(**{**fields, **changes})


def clean(**changes: Any) -> Assessment:
    """An assessment that every gate lets pass."""
    fields: dict[str, Any] = {
        "violation": False,
        "confidence": 0.95,
        "severity": None,
        "summary": "Nothing.",
        "policies": (),
        "recommended_actions": (),
        "doubts": (),
        "flags": (),
        "analyst": "test",
        "model": "test",
    }
    return Assessment(**{**fields, **changes})
