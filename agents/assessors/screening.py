"""What can be said of a text before anybody judges it, and the gates between an assessment and clearing a case.

Pure functions: no clock, no network, the same answer for the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agents.assessors.injection import OutOfTime, looks_injected
from agents.assessors.language import known_language
from agents.assessors.normal_form import has_hidden, is_mixed, normalise, visible
from agents.contract import Assessment, Brief

__all__ = ["Screening", "gates", "known_language", "looks_injected", "normalise", "screen", "screen_brief", "visible"]

_FLAG_SENTENCES = {
    "mixed_script": "Some words mix letters of different alphabets that look alike.",
    "invented_quote": "The analysis quoted words that are not in the text.",
    "unknown_policy": "The analysis named a policy that does not exist.",
    "bad_rule": "One of the rules could not be applied to this text.",
    "contradiction": "The analysis contradicts itself.",
    "slow_rule": "One of the rules ran out of time on this text.",
    "unscreened": "The text could not be searched for orders in time.",
    "too_long": "The text is longer than what was analysed.",
}


@dataclass(frozen=True, slots=True)
class Screening:
    """What the screening noticed. `flags`: of `injection`, `unscreened` (whether there is one could not be found out),
    `hidden_text`, `mixed_script`, in this order."""

    flags: tuple[str, ...]


def screen(text: str) -> Screening:
    """Screen one text."""
    return _screening(text, ())


def screen_brief(brief: Brief) -> Screening:
    """Screen the text, and look for injection also in the report reasons and the context: a payload may sit there."""
    return _screening(brief.text, (*brief.report_reasons, *_strings(brief.context)))


def _screening(text: str, beside: tuple[str, ...]) -> Screening:
    # All together: an instruction may be split over several reports.
    return Screening(
        tuple(_orders("\n".join([text, *beside])))
        + ("hidden_text",) * has_hidden(text)
        + ("mixed_script",) * is_mixed(text)
    )


def _orders(text: str) -> Iterator[str]:
    try:
        if looks_injected(text):
            yield "injection"
    except OutOfTime:
        yield "unscreened"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def gates(brief: Brief, assessment: Assessment | None) -> tuple[str, ...]:
    """Why this case may not be cleared without a human: sentences for moderators; empty when every gate agrees.

    The screening is done anew here: whatever the assessor says of its own input opens no gate.
    """
    flags = screen_brief(brief).flags
    reasons = _of_assessment(brief, assessment)
    if "injection" in flags:
        reasons.append("The text or a report seems to give orders to the machine or to the moderator.")
    if "hidden_text" in flags:
        reasons.append("The text contains hidden or disguised characters.")
    if not known_language(brief.language, brief.text):
        reasons.append("The language of the text is not one the analysis can be trusted with.")
    if brief.report_reasons:
        reasons.append("Users have reported it.")
    carried = dict.fromkeys([*flags, *(assessment.flags if assessment else ())])
    for flag in carried:
        if flag not in ("injection", "hidden_text"):
            reasons.append(_FLAG_SENTENCES.get(flag, f"The analysis carries the flag “{flag}”."))
        elif flag not in flags:
            reasons.append(f"The analysis noticed signs of {flag.replace('_', ' ')}.")
    return tuple(reasons)


def _of_assessment(brief: Brief, assessment: Assessment | None) -> list[str]:
    if assessment is None:
        return ["There is no analysis of this text."]
    reasons = []
    if assessment.violation:
        reasons.append("The analysis sees a violation.")
    elif assessment.policies:
        reasons.append("The analysis found something, though it does not call it a violation.")
    if not brief.policies:
        reasons.append("There was no policy to judge by.")
    threshold = max((policy.threshold for policy in brief.policies), default=0.0)
    # Zero never suffices, not even for a threshold of 0: it is how an analyst says "unsure". NaN fails both.
    if not (assessment.confidence >= threshold and assessment.confidence > 0):
        reasons.append(f"The analysis is not sure enough ({assessment.confidence:.0%}; {threshold:.0%} is needed).")
    return reasons
