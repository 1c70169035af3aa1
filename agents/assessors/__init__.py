"""The analysts: Groq's models behind a distrustful reading, or the rules when there is no key."""

from __future__ import annotations

from collections.abc import Mapping

from agents.assessors.rules import RulesAssessor
from agents.contract import Assessor

DEFAULT_MODEL = "openai/gpt-oss-20b"
DEFAULT_FALLBACK_MODEL = "openai/gpt-oss-120b"


def build(environ: Mapping[str, str]) -> Assessor:
    """The assessor for these settings: Groq if GROQ_API_KEY is set, else the rules. One per process, after the fork.

    GROQ_API_BASE (root URL), GROQ_MODEL and GROQ_FALLBACK_MODEL: an empty value means the default. The same name twice
    means no fallback.
    """
    key = environ.get("GROQ_API_KEY", "").strip()
    if not key:
        return RulesAssessor()
    # Here and not above: importing langchain_groq takes more than a second, which nothing without a key should pay.
    from agents.assessors.groq import GroqAssessor

    model = environ.get("GROQ_MODEL", "").strip() or DEFAULT_MODEL
    fallback = environ.get("GROQ_FALLBACK_MODEL", "").strip() or DEFAULT_FALLBACK_MODEL
    return GroqAssessor(key, environ.get("GROQ_API_BASE", "").strip() or None, (model, fallback))
