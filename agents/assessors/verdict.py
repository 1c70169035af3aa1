"""The answer a model has to give, and what is left of it after nobody has believed it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from agents.assessors.rules import worst
from agents.contract import Assessment, Brief, Finding, PolicyBrief, Quote, Severity

_MAX_SUMMARY = 300
_MAX_RATIONALE = 400
_MAX_DOUBT = 240
_MAX_DOUBTS = 5
_MAX_QUOTES = 10
_LINK = re.compile(
    r"!?\[[^\]\n]{0,200}\]\([^)\n]{0,2000}\)|\b[a-z][a-z0-9+.-]{1,20}://\S+|\b(?:www\.|mailto:|javascript:|data:)\S+|"
    r"\b(?:[\w-]{1,63}\.){1,8}(?:com|net|org|info|io|app|dev|co|me|ru|cn|xyz|top|site|online|shop|link|de|es|uk|eu)\b\S*",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\U000e0000-\U000e0fff]+")
# One character for one character: offsets into the one are offsets into the other.
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\n\r\t\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000", " "),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)


def _is_share(value: float) -> float:
    # A validator and not Field(ge=0, le=1): strict json_schema endpoints refuse `minimum` and `maximum`.
    if not 0 <= value <= 1:
        raise ValueError("must be between 0 and 1")
    return value


Share = Annotated[float, AfterValidator(_is_share)]


class ModelFinding(BaseModel):
    """One policy the model says is broken."""

    model_config = ConfigDict(extra="forbid")

    policy: str
    confidence: Share
    quotes: list[str]
    rationale: str


class ModelAnswer(BaseModel):
    """The whole answer. Every field is required: strict mode knows no defaults."""

    model_config = ConfigDict(extra="forbid")

    nonce: str
    verdict: Literal["violation", "no_violation", "unsure"]
    confidence: Share
    severity: Literal["none", "low", "medium", "high", "critical"]
    summary: str
    findings: list[ModelFinding]
    recommended_actions: list[str]
    doubts: list[str]


def plain(text: str, limit: int) -> str:
    """`text` as one line without links and control or invisible characters, at most `limit` characters."""
    line = _LINK.sub("[link removed]", " ".join(_CONTROL.sub(" ", text).split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def believe(answer: ModelAnswer, brief: Brief, screened: tuple[str, ...]) -> Assessment:
    """What of `answer` holds against the brief. `screened`: the screening's flags, kept in front.

    Unknown policies go (flag `unknown_policy`), quotes that are not in the text go (`invented_quote`), actions that no
    broken policy allows go. Findings without a violation, or the reverse, are flagged `contradiction`. The severity is
    the graver of the model's and the policies': content may talk a model down, never below the policy.
    "unsure" is no violation with confidence 0. Analyst, model, tokens and time are for the caller to fill in.
    """
    flags = list(screened)
    doubts = [plain(doubt, _MAX_DOUBT) for doubt in answer.doubts if doubt.strip()][:_MAX_DOUBTS]
    findings, struck = _findings(answer, brief)
    flags += struck
    if "invented_quote" in struck:
        doubts.append("The model quoted words that are not in the text; they were struck out.")
    if "unknown_policy" in struck:
        doubts.append("The model named a policy that does not exist; it was struck out.")
    violation = answer.verdict == "violation"
    confidence = answer.confidence
    if answer.verdict == "unsure":
        confidence = 0.0
        doubts.append("The model says it is not sure.")
    elif violation != bool(findings):
        flags.append("contradiction")
        doubts.append(
            "The model sees a violation but names no policy."
            if violation
            else "The model names a broken policy but calls it no violation."
        )
    slugs = {finding.slug for finding in findings}
    broken = [policy for policy in brief.policies if policy.slug in slugs]
    allowed = {action for policy in broken for action in policy.actions}
    return Assessment(
        violation=violation,
        confidence=confidence,
        severity=_severity(answer, broken) if violation or findings else None,
        summary=plain(answer.summary, _MAX_SUMMARY) or "The model gave no summary.",
        policies=findings,
        recommended_actions=tuple(dict.fromkeys(a for a in answer.recommended_actions if a in allowed)),
        doubts=tuple(doubts),
        flags=tuple(dict.fromkeys(flags)),
        analyst="",
        model="",
    )


def _severity(answer: ModelAnswer, broken: list[PolicyBrief]) -> Severity | None:
    said = [] if answer.severity == "none" else [Severity(answer.severity)]
    return worst([*said, *(policy.severity for policy in broken)])


def _findings(answer: ModelAnswer, brief: Brief) -> tuple[tuple[Finding, ...], list[str]]:
    """The findings that hold, one per policy, and the flags for what was struck out."""
    known = {policy.slug for policy in brief.policies}
    kept: dict[str, Finding] = {}
    struck: list[str] = []
    for said in answer.findings:
        if said.policy not in known:
            struck.append("unknown_policy")
            continue
        before = kept.get(said.policy)
        quotes = list(before.quotes) if before else []
        for words in said.quotes:
            quote = _locate(words, brief.text, quotes)
            if quote is None:
                struck.append("invented_quote")
            elif quote not in quotes and len(quotes) < _MAX_QUOTES:
                quotes.append(quote)
        kept[said.policy] = Finding(
            slug=said.policy,
            confidence=max(said.confidence, before.confidence if before else 0.0),
            quotes=tuple(quotes),
            rationale=before.rationale if before else plain(said.rationale, _MAX_RATIONALE),
        )
    return tuple(kept.values()), struck


def _locate(words: str, text: str, taken: list[Quote]) -> Quote | None:
    """Where `words` stand in the text: the first place not quoted yet, else the first; None if nowhere.

    Letter by letter, but for the kind of space, quotation mark and dash, which models type anew.
    """
    words = words.strip().translate(_TYPOGRAPHY)
    if not words:
        return None
    typed = text.translate(_TYPOGRAPHY)
    last = max((quote.end for quote in taken if quote.text.translate(_TYPOGRAPHY) == words), default=0)
    start = typed.find(words, last)
    if start < 0:
        start = typed.find(words)
    return None if start < 0 else Quote(start, start + len(words), text[start : start + len(words)])
