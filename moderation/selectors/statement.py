"""The statement of reasons of a decision, from recorded facts only (DSA art. 17), with the names and enumerations of
the EU's DSA Transparency Database. It holds no personal data: no names, no ids of people, no content.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from moderation.models import Assessment, Decision, PolicyVersion
from moderation.selectors.languages import two_letters
from moderation.states import Outcome

LONGEST_FACTS = 5000
VISIBILITY = {
    "remove_content": "DECISION_VISIBILITY_CONTENT_REMOVED",
    "limit_visibility": "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "age_gate": "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
    "label_content": "DECISION_VISIBILITY_CONTENT_LABELLED",
}
ACCOUNT = {"suspend_author": "DECISION_ACCOUNT_SUSPENDED", "ban_author": "DECISION_ACCOUNT_TERMINATED"}
_PERSONAL = re.compile(
    r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail; tried once a word, or 20,000 letters take a second
    r"|\+?\d[\d ()/.-]{7,}\d"  # telephone, card, account
    r"|(?<!\w)@\w{2,}"  # handle
)


def statement(decision: Decision) -> dict[str, Any]:
    """The statement; the database's own field names beside a few plain ones. Four queries at most."""
    case = decision.case
    versions = list(decision.policies.select_related("policy"))
    actions = [item["action"] for item in decision.actions]
    reporters = list(case.reports.values_list("reporter_id", flat=True))
    assessment = Assessment.objects.filter(case=case).order_by("-round").first()
    detected_by_machine = not reporters and assessment is not None and assessment.violation
    suspended = next((item["params"]["days"] for item in decision.actions if item["action"] == "suspend_author"), None)
    violation = decision.outcome == Outcome.VIOLATION
    return {
        "puid": str(decision.pk),
        "decision_id": str(decision.pk),
        "outcome": decision.outcome,
        "restrictions": actions,
        "policies": [
            {"slug": version.policy.slug, "title": version.title, "version": version.number} for version in versions
        ],
        "reason": _without_people(decision.reason, [case.author_id, *reporters, decision.decided_by]) or None,
        "decision_visibility": [VISIBILITY[name] for name in actions if name in VISIBILITY] or None,
        "decision_visibility_other": None,
        "decision_monetary": None,
        "decision_provision": None,
        "decision_account": next((ACCOUNT[name] for name in ("ban_author", "suspend_author") if name in actions), None),
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT" if violation else None,
        "incompatible_content_ground": _grounds(versions) if violation else None,
        "incompatible_content_explanation": " ".join(version.text for version in versions)[:2000] or None,
        "incompatible_content_illegal": "No" if violation else None,
        "content_type": ["CONTENT_TYPE_TEXT"],
        "category": versions[0].category if versions else "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
        "category_addition": sorted({version.category for version in versions[1:]} - {versions[0].category})
        if versions
        else [],
        "content_language": two_letters(case.language).upper() or None,
        "content_date": case.created_at.date().isoformat(),
        "application_date": decision.decided_at.date().isoformat(),
        "end_date_visibility_restriction": None,
        "end_date_account_restriction": (decision.decided_at + timedelta(days=suspended)).date().isoformat()
        if suspended
        else None,
        "decision_facts": _facts(versions, reported=bool(reporters), by_machine=detected_by_machine)[:LONGEST_FACTS],
        "source_type": "SOURCE_ARTICLE_16" if reporters else "SOURCE_VOLUNTARY",
        "automated_detection": "Yes" if detected_by_machine else "No",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    }


def _grounds(versions: list[PolicyVersion]) -> str:
    named = "; ".join(f"{version.title} (version {version.number})" for version in versions)
    return named or "The platform's rules of conduct"


def _facts(versions: list[PolicyVersion], *, reported: bool, by_machine: bool) -> str:
    found = "It was reported by a user." if reported else "It was examined without a report."
    machine = "Software marked passages for the reviewer. " if by_machine else ""
    rules = f"Rules considered: {_grounds(versions)}. " if versions else ""
    return f"{found} {machine}{rules}A human reviewer decided."


def _without_people(text: str, ids: list[str]) -> str:
    """What a moderator wrote, without addresses, numbers, handles and the ids of the people concerned."""
    said = text.casefold()  # thousands may have reported it: look before a pattern is made of each
    for known in sorted({one for one in ids if len(one) > 2 and one.casefold() in said}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", "[…]", text, flags=re.IGNORECASE)
    return _PERSONAL.sub("[…]", text)
