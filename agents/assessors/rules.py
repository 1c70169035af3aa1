"""The analyst without a model: each policy's terms, looked for in the text. Deterministic, and honest about it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from agents.assessors.screening import normalise, screen_brief
from agents.contract import Assessment, Brief, Finding, PolicyBrief, Quote, Severity
from agents.matching import MAX_TEXT, Broken, Hits, find

_DOUBT = "A rules check only sees words: it knows neither irony nor quotation, and misses whatever no rule foresaw."
_BROKEN = {
    Broken.INVALID: ("bad_rule", "is not a valid pattern and was skipped"),
    Broken.OUT_OF_TIME: ("slow_rule", "ran out of time on this text, so it may have missed something"),
}
_CLEAN_CONFIDENCE = 0.9
_MAX_QUOTES = 20
_ORDER = list(Severity)


class RulesAssessor:
    """Finds what the policies' `terms` describe.

    Confidence of a finding: 0.75 for one hit, 0.05 more for each further distinct one, at most 0.95. Nothing found: no
    violation, confidence 0.9. Any finding is a violation, also below its policy's threshold; then a doubt says so.
    Patterns see the first 20,000 characters, as written and normalised, and have 0.5 s of CPU each (`matching`). One
    that is invalid is flagged `bad_rule`, one that ran out of time `slow_rule`, each with a doubt naming the policy:
    what it would have found is unknown. Flags besides: those of the screening, `too_long`.
    """

    name = "rules"

    def assess(self, brief: Brief) -> Assessment:
        """See `Assessor.assess`."""
        started = time.monotonic()
        flags = list(screen_brief(brief).flags)
        doubts = [_DOUBT]
        terms = [term for policy in brief.policies for term in policy.terms]
        answers = iter(find(terms, brief.text, normalise(brief.text[:MAX_TEXT])))
        findings: list[Finding] = []
        for policy in brief.policies:
            hits = [next(answers) for _ in policy.terms]
            for broken, (flag, what) in _BROKEN.items():
                if any(hit.broken is broken for hit in hits):
                    flags.append(flag)
                    doubts.append(f"A rule of the policy “{policy.title}” {what}.")
            if any(hit.hidden for hit in hits):
                flags.append("hidden_text")
            finding = _finding(policy, hits, brief.text)
            if finding is not None:
                findings.append(finding)
                if finding.confidence < policy.threshold:
                    doubts.append(f"Too few hits for the threshold of the policy “{policy.title}”.")
        if len(brief.text) > MAX_TEXT:
            flags.append("too_long")
            doubts.append(f"Only the first {MAX_TEXT:,} characters were checked.")
        found = {finding.slug for finding in findings}
        hurt = [policy for policy in brief.policies if policy.slug in found]
        return Assessment(
            violation=bool(findings),
            confidence=max((finding.confidence for finding in findings), default=_CLEAN_CONFIDENCE),
            severity=worst(policy.severity for policy in hurt),
            summary=_summary(hurt),
            policies=tuple(findings),
            recommended_actions=tuple(dict.fromkeys(policy.actions[0] for policy in hurt if policy.actions)),
            doubts=tuple(doubts),
            flags=tuple(dict.fromkeys(flags)),
            analyst=self.name,
            model="rules",
            seconds=time.monotonic() - started,
        )


def worst(severities: Iterable[Severity]) -> Severity | None:
    """The gravest of them, None of none."""
    return max(severities, key=_ORDER.index, default=None)


def _finding(policy: PolicyBrief, hits: list[Hits], text: str) -> Finding | None:
    spans = sorted({span for hit in hits for span in hit.spans})
    hidden = sum(hit.hidden for hit in hits)
    count = len(spans) + hidden
    if not count:
        return None
    seen = f"{len(spans)} passage{'s' if len(spans) != 1 else ''} of the text" if spans else ""
    disguised = "disguised wording" if hidden else ""
    return Finding(
        slug=policy.slug,
        confidence=round(min(0.95, 0.75 + 0.05 * (count - 1)), 2),
        quotes=tuple(Quote(start, end, text[start:end]) for start, end in spans[:_MAX_QUOTES]),
        rationale=f"The rules of “{policy.title}” match {' and '.join(filter(None, (seen, disguised)))}.",
    )


def _summary(broken: list[PolicyBrief]) -> str:
    if not broken:
        return "A rules check, not a model, found no words that any policy lists."
    titles = ", ".join(f"“{policy.title}”" for policy in broken)
    return f"A rules check, not a model, found words listed by {titles}."
